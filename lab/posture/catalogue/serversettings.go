package catalogue

import (
	"time"

	"nomadlab.internal/lab/posture"
)

// Limits of a server's own settings. Nomad's defaults are within each of them.
const (
	// maxKeyAge is the greatest age of the key that encrypts variables and signs identities. Nomad's default is 30
	// days.
	maxKeyAge = 365 * 24 * time.Hour
	// maxTokenLife is the longest life of an expiring token, and of a rotated key. Nomad's defaults are a day and an
	// hour.
	maxTokenLife = 31 * 24 * time.Hour
	// maxIntroductionLife is the longest life of an introduction token. Nomad's default is 30 min.
	maxIntroductionLife = time.Hour
)

// serverSettings returns the settings of a server that matter while that server leads, or works for the leader: any
// server may. Checks of the whole cluster show the present leader alone.
func serverSettings() []setting {
	return append([]setting{
		{"server-rotates-encryption-keys", "a server rotates the key that encrypts variables at least once a year", posture.Medium,
			"a key that leaked, as in a snapshot, would stay good for all that is encrypted and signed (nomad/core_sched.go:987, rootKeyRotateOrGC)",
			[]string{"server.root_key_rotation_threshold", keyInterval}, "a server.root_key_rotation_threshold or _gc_interval of more than a year",
			keyAgeOver("root_key_rotation_threshold", 30*24*time.Hour,
				func(a agentSelf) field[string] { return a.Config.Server.RootKeyRotationThreshold }, maxKeyAge)},
		{"server-drops-old-encryption-keys", "a server drops a key that was rotated away within a month", posture.Medium,
			"an identity that is signed with a key which leaked is good as long as the servers keep that key, rotated or not " +
				"(nomad/encrypter.go:383, VerifyClaim; nomad/core_sched.go:1030, rootKeyGC)",
			[]string{"server.root_key_gc_threshold", keyInterval}, "a server.root_key_gc_threshold or _interval of more than 31 days",
			keyAgeOver("root_key_gc_threshold", time.Hour, func(a agentSelf) field[string] { return a.Config.Server.RootKeyGCThreshold }, maxTokenLife)},
		{"server-drops-dead-servers", "a server that leads drops dead servers from Raft while others are left", posture.Medium,
			"a server that was replaced stays a peer that raises the majority which is needed, until too few are left. The first leader writes its line " +
				"into the cluster's state (nomad/leader.go:2615, getOrCreateAutopilotConfig)",
			[]string{"autopilot.cleanup_dead_servers"}, "autopilot.cleanup_dead_servers = false",
			valueOf("cleanup_dead_servers", func(a agentSelf) field[any] { return a.Config.Autopilot.CleanupDeadServers },
				func(v any) bool { return v != nil && v != true })},
	}, admissionSettings()...)
}

// admissionSettings returns the settings that decide what is admitted, and for how long.
func admissionSettings() []setting {
	return []setting{
		{"server-demands-introductions", "a server that leads lets no client register that was not introduced", posture.High,
			"with \"warn\", Nomad's default, the holder of a client's key adds any number of nodes; the leader's own line decides " +
				"(nomad/node_endpoint.go:318, newRegistrationAllowed)",
			[]string{"server.client_introduction.enforcement"}, "a server.client_introduction.enforcement other than strict",
			valueOf("client_introduction.enforcement", func(a agentSelf) field[string] { return a.Config.Server.ClientIntroduction.Enforcement },
				func(level string) bool { return level != "strict" })},
		{"server-introduces-for-an-hour-at-most", "a server that leads makes no introduction token that lives for more than an hour", posture.Medium,
			"such a token is good for any number of nodes and cannot be revoked; the leader's own line decides, 30 min unless it is set " +
				"(nomad/acl_endpoint.go:3229; nomad/structs/node.go:867)",
			[]string{"server.client_introduction.max_identity_ttl"}, "a server.client_introduction.max_identity_ttl of more than an hour",
			valueOf("client_introduction.max_identity_ttl", func(a agentSelf) field[time.Duration] {
				return a.Config.Server.ClientIntroduction.MaxIdentityTTL
			}, func(ttl time.Duration) bool { return ttl > maxIntroductionLife })},
		{"server-ends-tokens-within-a-month", "a server that leads makes no expiring token that lives for more than 31 days", posture.Low,
			"a token that was forgotten stays good until it ends; the leader's own line decides, 24 h unless it is set (nomad/acl_endpoint.go:652)",
			[]string{"acl.token_max_expiration_ttl"}, "an acl.token_max_expiration_ttl of more than 31 days",
			valueOf("token_max_expiration_ttl", func(a agentSelf) field[time.Duration] { return a.Config.ACL.TokenMaxExpirationTTL },
				func(ttl time.Duration) bool { return ttl > maxTokenLife })},
	}
}

// keyInterval is the setting of how often the leader looks for keys to rotate or drop, and when it first does
// (nomad/leader.go:955, schedulePeriodic). Nomad's default is 10 min.
const keyInterval = "server.root_key_gc_interval"

// keyAgeOver finds a server that handles a key later than the limit: a key may be as old as the threshold and an
// interval. The interval counts beyond a day only. usual is Nomad's default of the threshold.
func keyAgeOver(name string, usual time.Duration, threshold func(agentSelf) field[string], limit time.Duration) finder[agentSelf] {
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
