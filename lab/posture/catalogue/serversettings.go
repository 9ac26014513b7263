package catalogue

import (
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
)

// The limits of lines that a server has of its own. What is not set is Nomad's default, which is within each of them.
const (
	// yearly is how old the key may become that encrypts variables and signs identities. Nomad's default is 30 days.
	maxKeyAge = 365 * 24 * time.Hour
	// monthly is how long a token that ends may live, and a key that was rotated away. Nomad's defaults are a day and an hour.
	maxTokenLife = 31 * 24 * time.Hour
	// hourly is how long an introduction may be good. Nomad's default is 30 min.
	maxIntroductionLife = time.Hour
)

// serverLines are lines of a server's own, each of which decides while that server leads, or works for the leader: any of
// them may. What is asked of the cluster shows today's leader alone.
func serverSettings() []setting {
	return append([]setting{
		{
			role: pki.Server, id: "server-rotates-encryption-keys", title: "a server rotates the key that encrypts variables at least once a year",
			severity: posture.Medium, settings: []string{"server.root_key_rotation_threshold", keyInterval},
			what: "a server.root_key_rotation_threshold or _gc_interval of more than a year",
			why: "a key that leaked, as in a snapshot, would stay good for all that is encrypted and signed (nomad/core_sched.go:987, rootKeyRotateOrGC)",
			in: keyAgeOver("root_key_rotation_threshold", 30*24*time.Hour,
				func(a agentSelf) field[string] { return a.Config.Server.RootKeyRotationThreshold }, maxKeyAge),
		},
		{
			role: pki.Server, id: "server-drops-old-encryption-keys", title: "a server drops a key that was rotated away within a month",
			severity: posture.Medium, settings: []string{"server.root_key_gc_threshold", keyInterval},
			what: "a server.root_key_gc_threshold or _interval of more than 31 days",
			why: "an identity that is signed with a key which leaked is good as long as the servers keep that key, rotated or not " +
				"(nomad/encrypter.go:383, VerifyClaim; nomad/core_sched.go:1030, rootKeyGC)",
			in: keyAgeOver("root_key_gc_threshold", time.Hour, func(a agentSelf) field[string] { return a.Config.Server.RootKeyGCThreshold }, maxTokenLife),
		},
		{
			role: pki.Server, id: "server-drops-dead-servers", title: "a server that leads drops dead servers from Raft where others are left",
			severity: posture.Medium, settings: []string{"autopilot.cleanup_dead_servers"},
			what: "autopilot.cleanup_dead_servers = false",
			why: "a server that was replaced stays a peer that raises the majority which is needed, until too few are left. The first leader writes its line " +
				"into the cluster's state (nomad/leader.go:2615, getOrCreateAutopilotConfig)",
			in: valueOf("cleanup_dead_servers", func(a agentSelf) field[any] { return a.Config.Autopilot.CleanupDeadServers },
				func(v any) bool { return v != nil && v != true }),
		},
	}, admissionSettings()...)
}

// admissionLines are those about who is let in, and for how long.
func admissionSettings() []setting {
	return []setting{
		{
			role: pki.Server, id: "server-demands-introductions", title: "a server that leads lets no client register that was not introduced",
			severity: posture.High, settings: []string{"server.client_introduction.enforcement"},
			what: "a server.client_introduction.enforcement other than strict",
			why: "with \"warn\", Nomad's default, whoever has a client's key adds as many nodes as he likes; the leader's own line decides " +
				"(nomad/node_endpoint.go:318, newRegistrationAllowed)",
			in: valueOf("client_introduction.enforcement", func(a agentSelf) field[string] { return a.Config.Server.ClientIntroduction.Enforcement },
				func(level string) bool { return level != "strict" }),
		},
		{
			role: pki.Server, id: "server-introduces-for-an-hour-at-most", title: "a server that leads makes no introduction token that lives for more than an hour",
			severity: posture.Medium, settings: []string{"server.client_introduction.max_identity_ttl"},
			what: "a server.client_introduction.max_identity_ttl of more than an hour",
			why: "such a token is good for any number of nodes and cannot be revoked; the leader's own line decides, 30 min unless it is set " +
				"(nomad/acl_endpoint.go:3229; nomad/structs/node.go:867)",
			in: valueOf("client_introduction.max_identity_ttl", func(a agentSelf) field[time.Duration] {
				return a.Config.Server.ClientIntroduction.MaxIdentityTTL
			}, func(ttl time.Duration) bool { return ttl > maxIntroductionLife }),
		},
		{
			role: pki.Server, id: "server-ends-tokens-within-a-month", title: "a server that leads makes no token that is to end, and does so in more than 31 days",
			severity: posture.Low, settings: []string{"acl.token_max_expiration_ttl"},
			what: "an acl.token_max_expiration_ttl of more than 31 days",
			why: "a token that was forgotten stays good until it ends; the leader's own line decides, 24 h unless it is set (nomad/acl_endpoint.go:652)",
			in: valueOf("token_max_expiration_ttl", func(a agentSelf) field[time.Duration] { return a.Config.ACL.TokenMaxExpirationTTL },
				func(ttl time.Duration) bool { return ttl > maxTokenLife }),
		},
	}
}

// keyInterval is how often the leader looks for keys that are to be rotated or dropped, at first after that long (nomad/leader.go:955,
// schedulePeriodic). Nomad's default is 10 min.
const keyInterval = "server.root_key_gc_interval"

// later finds a server that does something to a key later than the limit: once the key is as old as a threshold says, the server
// looks at its keys within the interval. Up to a day the interval is not counted. usual is Nomad's default of the threshold.
func keyAgeOver(name string, usual time.Duration, threshold func(agentSelf) field[string], limit time.Duration) func(agentSelf) (bool, string, error) {
	const day = 24 * time.Hour
	return func(a agentSelf) (bool, string, error) {
		var sum time.Duration
		add := func(otherwise time.Duration) func(string) bool {
			return func(text string) bool {
				d, err := time.ParseDuration(text)
				if text == "" {
					d, err = otherwise, nil
				}
				sum += max(d, 0)
				return err != nil || d > limit || sum > limit+day
			}
		}
		return anyOf(valueOf(name, threshold, add(usual)),
			valueOf("root_key_gc_interval", func(a agentSelf) field[string] { return a.Config.Server.RootKeyGCInterval }, add(10*time.Minute)))(a)
	}
}
