package catalogue

import (
	"fmt"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// tokenLife returns the check of how long an expiring token may live. No token is made: its type does not exist, and
// Nomad reports all that is wrong with a token at once (nomad/structs/acl.go, ACLToken.Validate).
func (i Ingredients) tokenLife() []posture.Spec {
	const wrong = "token type must be client or management"
	ask := func(life time.Duration, behind ...string) maybeProbe {
		return i.managementCaller().sends(func(c probe.Caller) probe.Probe {
			p := probe.HTTPRequest(put("/v1/acl/token", tokenOfNoType(life), behind...), c)
			p.Sentence = fmt.Sprintf("ask for a token of no known type that lives %s: %s", life, p.Sentence)
			return p
		})
	}
	return []posture.Spec{withProbes(posture.Spec{
		ID:       "server-makes-no-token-that-ends-in-over-a-month",
		Title:    "a server makes no expiring token that lives for more than 31 days",
		Severity: posture.Low, PerRegion: true, Roles: []pki.Role{pki.Server},
		Settings: []string{"acl.token_max_expiration_ttl"},
		Why: "acl.token_max_expiration_ttl, 24 h unless it is set; it does not limit a token that never expires " +
			"(nomad/structs/acl.go:790; verified against Nomad 1.11.3)",
		Want: posture.Want{probe.Denied}, Answer: "expiration time cannot be more than",
	}, ask(tooLongLife), ask(shortLife, wrong))}
}

// Lives of the requested tokens: an hour more than 31 days, and one that every server allows.
const (
	tooLongLife = 31*24*time.Hour + time.Hour
	shortLife   = time.Hour
)

// tokenOfNoType returns the request for a token of a type that does not exist.
func tokenOfNoType(life time.Duration) string {
	return fmt.Sprintf(`{"Type":%q,"ExpirationTTL":%q}`, noName, life)
}
