package catalogue

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// Gossip keys that are public.
const (
	// OldDocumentedGossipKey is the example of the documentation of Nomad's first versions; it has 16 bytes.
	OldDocumentedGossipKey = "cg8StVXbQJ0gPvMd9o7yrg=="
	// DocumentedGossipKey is the example of `nomad operator gossip keyring generate`; it has 32 bytes.
	DocumentedGossipKey = "6RhfKFZ5uYEaU6RgWzx69ssLcpiIkvnEZs5KBOQxvxA="
	// TutorialGossipKey, TypedGossipKey and DrawnGossipKey are examples of widely read instructions for `nomad
	// operator gossip keyring generate`, `openssl rand` and `dd`.
	TutorialGossipKey = "Xk/Z1l4RqVmVjumuj0u7nf4mlAphCDNO3IIvVRtZlOg="
	TypedGossipKey    = "raZjciP8vikXng2S5X0m9w=="
	DrawnGossipKey    = "LsuYyj93KVfT3pAJPMMCgA=="
	// ZeroGossipKey is 32 bytes of zero.
	ZeroGossipKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
)

// knownKey is a public gossip key.
type knownKey struct{ id, label, key string }

func knownKeys() []knownKey {
	return []knownKey{
		{"documented-key", "the gossip key that Nomad's documentation shows", DocumentedGossipKey},
		{"old-documented-key", "the gossip key that Nomad's documentation used to show", OldDocumentedGossipKey},
		{"tutorial-key", "the gossip key that a tutorial shows for `nomad operator gossip keyring generate`", TutorialGossipKey},
		{"typed-key", "the gossip key that instructions show for `openssl rand`", TypedGossipKey},
		{"drawn-key", "the gossip key that instructions show for `dd`", DrawnGossipKey},
		{"key-of-zeros", "a gossip key of zeros", ZeroGossipKey},
	}
}

// gossipKeys returns the checks of which keys may gossip.
func (i Ingredients) gossipKeys() []posture.Spec {
	own := always(probe.GossipPing(probe.NewGossipKey(i.GossipKey, "the cluster's gossip key")))
	if i.GossipKey == "" {
		own = unavailable("the cluster's gossip key is not at hand", own.probe)
	}
	taken, inClear, refusal := own, always(probe.GossipPing(probe.GossipKey{})), probe.LogGossipOtherKey
	if i.GossipInClear {
		taken, refusal = inClear, probe.LogGossipNoKey
	}
	all := []posture.Spec{withProbes(posture.Spec{
		ID: "gossip-refuses-no-key", Title: "gossip refuses a sender without a key",
		Severity: posture.Critical,
		Settings: []string{serverEncrypt},
		Why:      "server.encrypt: a gossip member can present itself as a server, which the leader adds to Raft (nomad#9406; nomad/leader.go, addRaftPeer)",
		Want:     posture.Want{probe.Denied},
		LogText:  probe.LogGossipPlaintext,
	}, inClear, own)}
	for _, k := range knownKeys() {
		all = append(all, withProbes(posture.Spec{
			ID: "gossip-refuses-" + k.id, Title: "gossip refuses " + k.label,
			Severity: posture.Critical,
			Settings: []string{serverEncrypt},
			Why:      "server.encrypt: a published key protects nothing (nomad#9406)",
			Want:     posture.Want{probe.Denied},
			LogText:  refusal,
		}, always(probe.GossipPing(probe.NewGossipKey(k.key, k.label))), taken))
	}
	return atServers(all...)
}

// ringTimeout limits the request for the list of keys, for which a server asks all others by gossip: usually half a
// second, and 8 s if an answer is late (serf's DefaultQueryTimeout with memberlist's WAN configuration).
const ringTimeout = 15 * time.Second

// serversDidNotAnswer ends a server's answer when another one has not sent its keys in time. Gossip uses UDP, and a
// busy machine loses packets (serf v0.10.2, serf/keymanager.go:141: "1/2 nodes reported success").
const serversDidNotAnswer = "nodes reported success"

// keyless matches a server's answer where servers gossip without a key and so have no keyring: all of them fail (serf
// v0.10.2, serf/internal_query.go, handleListKeys; "1/1 nodes reported failure" of Nomad 1.11.3). If only some fail,
// an answer was lost or could not be read.
var keyless = regexp.MustCompile(`\b(\d+)/(\d+) nodes reported failure`)

func withoutKeys(answer string) probe.Nothing {
	if at := keyless.FindStringSubmatch(answer); at != nil && at[1] == at[2] {
		return probe.Nothing{Why: "gossip has no key", JudgedBy: "gossip-refuses-no-key"}
	}
	return probe.Nothing{}
}

// gossipRing returns the checks of the servers' keyring. No key leaves the probe.
func (i Ingredients) gossipRing() []posture.Spec {
	ring := func(search probe.AnswerSearch) maybeProbe {
		return i.privilegedCaller().sends(func(as probe.Caller) probe.Probe {
			p := probe.HTTPSearch(probe.Request{
				Path: "/v1/agent/keyring/list", RetryErrors: []string{serversDidNotAnswer}, Nothing: withoutKeys,
			}, as, search)
			p.Timeout = ringTimeout
			return p
		})
	}
	anyKey := ring(ringSearch("a gossip key", func(keys []string) (bool, string) { return len(keys) > 0, fmt.Sprintf("%d keys", len(keys)) }))
	check := func(id, title string, severity posture.Severity, why, what string, in func(keys []string) (bool, string)) posture.Spec {
		return withProbes(posture.Spec{
			ID: id, Title: title, Plane: probe.PlaneGossip, Kind: posture.Safe, Severity: severity, Lane: posture.Waiting, PerRegion: true,
			Settings: []string{serverEncrypt}, Why: why, Want: posture.Want{probe.Absent},
		}, ring(ringSearch(what, in)), anyKey)
	}
	return atServers(
		check("gossip-ring-has-one-key", "the servers' gossip keyring has no key beside the one in use", posture.Medium,
			"an old key that stays in the keyring still opens the gossip port, and a rotation has changed nothing (nomad operator gossip keyring remove)",
			"a second gossip key", func(keys []string) (bool, string) { return len(keys) > 1, fmt.Sprintf("%d keys", len(keys)) }),
		check("gossip-keys-are-secret", "no gossip key of the servers' keyring stands in public documentation or was made up by hand", posture.Critical,
			"a caller that guesses a key of the keyring can gossip with the servers, and be added to Raft by the leader (nomad#9406)",
			"a gossip key that can be guessed", guessableKey),
		check("gossip-keys-have-32-bytes", "every gossip key has 32 bytes", posture.Low,
			"server.encrypt: `nomad operator gossip keyring generate` gives 32 bytes, AES-256; Nomad takes 16 as well (memberlist security.go)",
			"a gossip key of less than 32 bytes", shortKey),
	)
}

// guessableKey reports whether one of the keys is public or can be guessed. The words do not contain the key.
func guessableKey(keys []string) (bool, string) {
	for _, k := range keys {
		if why := WhyGuessable(k); why != "" {
			return true, "a gossip key: " + why
		}
	}
	return false, fmt.Sprintf("%d keys, none of which can be guessed", len(keys))
}

// shortKey reports whether one of the keys, in base64, has less than 32 bytes.
func shortKey(keys []string) (bool, string) {
	for _, k := range keys {
		if n := base64.StdEncoding.DecodedLen(len(k)); n < 32 {
			return true, "a key of less than 32 bytes"
		}
	}
	return false, fmt.Sprintf("%d keys, none of less than 32 bytes", len(keys))
}

// ringSearch searches the keys, in base64, in an answer of /v1/agent/keyring/list.
func ringSearch(what string, in func(keys []string) (bool, string)) probe.AnswerSearch {
	return probe.AnswerSearch{For: what, In: func(_ http.Header, body []byte) (bool, string, error) {
		var answer struct{ Keys map[string]int }
		if err := json.Unmarshal(body, &answer); err != nil || len(answer.Keys) == 0 {
			return false, "", errors.New("the answer is no list of keys")
		}
		keys := make([]string, 0, len(answer.Keys))
		for k := range answer.Keys {
			keys = append(keys, k)
		}
		there, saw := in(keys)
		return there, saw, nil
	}}
}
