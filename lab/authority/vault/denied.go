package vault

import (
	"context"
	"maps"
	"net/http"
	"time"

	"nomadlab.internal/lab/authority/vault/render"
	"nomadlab.internal/lab/pki"
)

// methodList is Vault's own method for lists.
const methodList = "LIST"

// probes returns all that a node's token must not do.
func (t *trial) probes() []probe {
	var out []probe
	for _, group := range [][]probe{t.rootProbes(), t.keyProbes(), t.nameProbes(), t.ruleProbes()} {
		out = append(out, group...)
	}
	return out
}

func probeOf(name, why, method, path string, body map[string]any) probe {
	return probe{Denial: Denial{Name: name, Why: why, Method: method, Path: path, Caller: pki.Client}, body: body}
}

// rootProbes use the root authority and read its configuration.
func (t *trial) rootProbes() []probe {
	const root = render.RootMount
	sign := map[string]any{"csr": t.csr, "ttl": "60s"}
	return []probe{
		probeOf("sign an authority with the root", "The node would have an authority of its own, for every name.",
			http.MethodPost, root+"/root/sign-intermediate", sign),
		probeOf("sign an authority with the intermediate", "The node would have an authority of its own, for every name.",
			http.MethodPost, render.IntermediateMount+"/root/sign-intermediate", sign),
		probeOf("issue with the root", "The root's key is for intermediate authorities alone.",
			http.MethodPost, root+"/issue/"+controlRole, map[string]any{"common_name": t.client.Name(), "ttl": "60s"}),
		probeOf("sign a self-issued authority with the root", "Agents that trust the root would trust a foreign authority.",
			http.MethodPost, root+"/root/sign-self-issued", map[string]any{"certificate": t.selfIssued}),
		probeOf("sign a request as it stands", "The request's names are not checked against any role.",
			http.MethodPost, render.IntermediateMount+"/sign-verbatim", sign),
		probeOf("read the root's URLs", "The configuration of the root is not for nodes.", http.MethodGet, root+"/config/urls", nil),
		probeOf("read the root's issuers", "The configuration of the root is not for nodes.", http.MethodGet, root+"/config/issuers", nil),
		probeOf("list the root's roles", "The configuration of the root is not for nodes.", methodList, root+"/roles", nil),
	}
}

// keyProbes get private keys out of Vault.
func (t *trial) keyProbes() []probe {
	const root, below = render.RootMount, render.IntermediateMount
	remove := func(mount string) func(context.Context, Answer) error {
		return func(ctx context.Context, made Answer) error {
			_, err := t.a.client.Call(ctx, t.a.keys.Root, http.MethodDelete, mount+"/key/"+made.Text("key_id"), nil)
			return err
		}
	}
	inRoot := probeOf("make a key in the root's mount and export it", "Keys in the mount can become those of authorities.",
		http.MethodPost, root+"/keys/generate/exported", map[string]any{"key_type": "ec", "key_bits": 256})
	inRoot.undo = remove(root)
	inIntermediate := probeOf("make an intermediate authority's key and export it", "The node would hold the key of an authority of every agent.",
		http.MethodPost, below+"/intermediate/generate/exported", map[string]any{"common_name": "exported", "key_type": "ec", "key_bits": 256})
	inIntermediate.undo = remove(below)
	return []probe{
		inRoot, inIntermediate,
		probeOf("list the root's keys", "A list of keys shows what to ask for.", methodList, root+"/keys", nil),
		probeOf("list the intermediate's keys", "A list of keys shows what to ask for.", methodList, below+"/keys", nil),
	}
}

// nameProbes ask for certificates in another's name.
func (t *trial) nameProbes() []probe {
	const why = "A server's certificate outranks every ACL token: Keyring.Get gives it root keys (verified against Nomad 1.11.3)."
	own := &controlCall{token: t.clientToken, path: t.issue(t.client), what: "the same token for its own name", body: t.names(t.client)}
	instead := maps.Clone(t.names(t.client))
	instead["common_name"] = t.server.Name()
	server := probeOf("take a server's name at its own role", why, http.MethodPost, t.issue(t.client), instead)
	server.control, server.Hole = own, true

	alternative := maps.Clone(t.names(t.client))
	alternative["alt_names"] = t.server.Name()
	hidden := probeOf("take a server's name beside its own", why+" Nomad takes a role from any name (nomad/server.go:634).",
		http.MethodPost, t.issue(t.client), alternative)
	hidden.control, hidden.Hole = own, true

	foreign := probeOf("take a name of another domain", "An agent's authority would vouch for any host.",
		http.MethodPost, t.issue(t.client), map[string]any{"common_name": "www.example.com", "ttl": "60s"})
	foreign.control = own

	wildcard := probeOf("take a wildcard", "A wildcard is good for every name of its domain.",
		http.MethodPost, t.issue(t.client), map[string]any{"common_name": "*." + t.a.o.regions()[0], "ttl": "60s"})
	wildcard.control, wildcard.Hole = own, true

	long := maps.Clone(t.names(t.client))
	delete(long, "ttl")
	long["not_after"] = time.Now().Add(t.a.o.TTL + 7*24*time.Hour).UTC().Format(time.RFC3339)
	longLived := probeOf("outlive max_ttl of its role", "Expiry is Nomad's only revocation (nomad#4900).",
		http.MethodPost, t.issue(t.client), long)
	longLived.control, longLived.Hole = own, true
	out := []probe{server, hidden, foreign, wildcard, longLived}
	if t.a.o.Published {
		return out // there is one role
	}
	other := probeOf("use the servers' role", why, http.MethodPost, t.issue(t.server), t.names(t.server))
	other.control = &controlCall{token: t.serverToken, path: t.issue(t.server), what: "the same call with a server's token", body: t.names(t.server)}
	crossing := probeOf("use the clients' role", "One token is for one role.", http.MethodPost, t.issue(t.client), t.names(t.client))
	crossing.Caller, crossing.control = pki.Server, &controlCall{token: t.clientToken, path: t.issue(t.client), what: "the same call with a client's token", body: t.names(t.client)}
	return append(out, other, crossing)
}

// ruleProbes read or change who may do what.
func (t *trial) ruleProbes() []probe {
	r, err := t.a.roleOf(t.client)
	if err != nil {
		return nil // newTrial made a token of that role
	}
	role, policy := render.IntermediateMount+"/roles/"+r.name, "sys/policies/acl/"+r.policy
	token := probeOf("make another token", "A token that outlives its node is one more to guard.",
		http.MethodPost, "auth/token/create", map[string]any{"policies": []string{r.policy}, "ttl": "60s"})
	token.undo = func(ctx context.Context, made Answer) error {
		_, err := t.a.client.Call(ctx, t.a.keys.Root, http.MethodPost, "auth/token/revoke-accessor", map[string]any{"accessor": made.Auth.Accessor})
		return err
	}
	return []probe{
		probeOf("read its own role", "The role shows which names to ask for.", http.MethodGet, role, nil),
		probeOf("change its own role", "The node would allow itself every name.", http.MethodPost, role, r.parameters(t.a.o)),
		probeOf("read its own policy", "The policies show what to look for.", http.MethodGet, policy, nil),
		probeOf("list policies", "The policies show what to look for.", methodList, "sys/policies/acl", nil),
		probeOf("list leases", "Leases show what other nodes have.", methodList, "sys/leases/lookup", nil),
		probeOf("list mounts", "The mounts show what else Vault holds.", http.MethodGet, "sys/mounts", nil),
		probeOf("list auth methods", "The methods show how else to log in.", http.MethodGet, "sys/auth", nil),
		probeOf("list token accessors", "With an accessor a token can be revoked.", methodList, "auth/token/accessors", nil),
		token,
		// Last, because it writes the policy that all others rest on.
		probeOf("change its own policy", "The node would allow itself everything.", http.MethodPut, policy, map[string]any{"policy": r.rules(t.a.o)}),
	}
}
