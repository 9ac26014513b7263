package catalogue

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
)

// introductionLabel names an introduction token in sentences.
const introductionLabel = "an introduction token"

// NoIntroduction is the reason of a check that needs an introduction token where there is none.
const NoIntroduction = introductionLabel + notAtHand

// introduction returns the checks of how a client is admitted.
func (i Ingredients) introduction() []posture.Spec {
	register := func(c probe.Caller) probe.Probe { return probe.RPCCall(registerInvalidNode(), c) }
	intro := func(life time.Duration) maybeProbe {
		ask := put("/v1/acl/identity/client-introduction-token", `{"TTL":"8760h"}`)
		return i.managementCaller().sends(func(c probe.Caller) probe.Probe {
			return probe.HTTPSearch(ask, c, probe.AnswerSearch{For: "a life of more than " + life.String(), In: lifeOver(life)})
		})
	}
	return []posture.Spec{
		withProbes(posture.Spec{
			ID:       "server-lets-no-client-register-without-introduction",
			Title:    "a server lets no client register with a certificate alone, without an introduction",
			Severity: posture.High, PerRegion: true, Roles: []pki.Role{pki.Server},
			Settings: []string{"server.client_introduction.enforcement", aclEnabled},
			Why: "server.client_introduction.enforcement: with \"warn\", Nomad's default, the holder of a client's key adds any number of nodes, " +
				"and is given jobs with their secrets (nomad/node_endpoint.go, newRegistrationAllowed; verified against Nomad 1.11.3)",
			Want: posture.Want{probe.Denied},
		}, i.callerOf(caller.Client).sends(register), i.callerOf(caller.Client).withToken(i.Introduction, introductionLabel).sends(register)),
		withProbes(posture.Spec{
			ID:    "introduction-tokens-live-an-hour-at-most",
			Title: "an introduction token lives an hour at most, whatever is asked for",
			Kind:  posture.Intrusive, Severity: posture.Medium, PerRegion: true, Roles: []pki.Role{pki.Server},
			Settings: []string{"server.client_introduction.max_identity_ttl"},
			Why: "server.client_introduction.max_identity_ttl, 30 min unless it is set: such a token is good for any number of nodes and cannot be revoked " +
				"(nomad/structs/acl.go:2454; verified against Nomad 1.11.3)",
			Want: posture.Want{probe.Absent},
		}, intro(time.Hour), intro(time.Second)),
	}
}

// registerInvalidNode is Node.Register for a node whose secret is no UUID. Nomad validates the secret last, when it
// stores the node (nomad/state/schema.go, nodeTableSchema: the index secret_id), so no node is registered, whatever
// the cluster's settings.
func registerInvalidNode() probe.Call {
	return verifiedCall(probe.Call{
		Method: "Node.Register",
		Args: map[string]any{"Node": map[string]any{
			"ID": noID, "SecretID": noName, "Name": noName, "Datacenter": "dc1", "NodePool": "default",
			"Attributes": map[string]string{"kernel.name": "linux"}, "Status": "initializing",
		}},
		AcceptedErrors: []string{"node insert failed"},
	})
}

// lifeOver finds a token with a longer life. The token itself is in no result.
func lifeOver(life time.Duration) func(http.Header, []byte) (bool, string, error) {
	return func(_ http.Header, body []byte) (bool, string, error) {
		var answer struct{ JWT string }
		var claims struct{ Exp, Iat int64 }
		if err := json.Unmarshal(body, &answer); err != nil {
			return false, "", errors.New("the answer is not JSON")
		}
		parts := strings.Split(answer.JWT, ".")
		if len(parts) != 3 {
			return false, "", errors.New("the answer has no token")
		}
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err == nil {
			err = json.Unmarshal(payload, &claims)
		}
		if err != nil {
			return false, "", errors.New("the answer has a token that cannot be read")
		}
		if claims.Exp == 0 || claims.Iat == 0 {
			return false, "", errors.New("the token does not tell when it begins and ends")
		}
		lives := time.Duration(claims.Exp-claims.Iat) * time.Second
		return lives > life, fmt.Sprintf("a token that lives %s", lives), nil
	}
}
