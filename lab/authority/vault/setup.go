package vault

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"nomadlab.internal/lab/authority/vault/render"
	"nomadlab.internal/lab/pki"
)

// Step is one call of Setup, as it is shown: it holds no secret.
type Step struct {
	// Guide is the published guide's command line. Empty: the guide has none.
	Guide string
	// Method and Path are those of the call; Path has no "/v1/".
	Method, Path string
	// Body is the call's body in JSON, with "…" for what is secret or long. Empty: none.
	Body string
	// Result says in a few words what came of it.
	Result string
}

// setup sets up one Vault server.
type setup struct {
	client *Client
	o      Options
	keys   Keys
	steps  []Step
	// root and intermediate are the authorities' certificates, in PEM.
	root, intermediate string
}

// Setup makes a certificate authority of a new Vault server: it initialises and unseals it, makes a root authority in one mount
// and an intermediate one in another, and writes a role and a policy for each role of Nomad, or the guide's one of each. It
// returns errors that wrap spec.ErrInvalid for options that cannot be met, and a *CallError for what Vault refuses.
func Setup(ctx context.Context, o Options) (*Authority, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("set up Vault: %w", err)
	}
	client, err := NewClient(o.Address, o.CA)
	if err != nil {
		return nil, fmt.Errorf("set up Vault: %w", err)
	}
	s := &setup{client: client, o: o}
	a, err := s.run(ctx)
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("set up Vault: %w", err)
	}
	return a, nil
}

func (s *setup) run(ctx context.Context) (*Authority, error) {
	for _, part := range []func(context.Context) error{s.open, s.makeRoot, s.makeIntermediate, s.writeRoles} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	signer, err := s.makeSigner(ctx)
	if err != nil {
		return nil, err
	}
	return &Authority{
		client: s.client, o: s.o, keys: s.keys, steps: s.steps, signer: signer,
		root: []byte(s.root), intermediate: []byte(s.intermediate), tokens: map[string]Secret{},
	}, nil
}

// open initialises and unseals Vault.
func (s *setup) open(ctx context.Context) error {
	var err error
	if s.keys, err = s.client.Init(ctx); err != nil {
		return err
	}
	s.steps = append(s.steps, Step{
		Guide: "vault operator init -key-shares=1 -key-threshold=1", Method: http.MethodPut, Path: "sys/init",
		Body: `{"secret_shares":1,"secret_threshold":1}`, Result: "one unseal key and the root token",
	})
	if err := s.client.Unseal(ctx, s.keys.Unseal); err != nil {
		return err
	}
	s.steps = append(s.steps, Step{
		Guide: "vault operator unseal", Method: http.MethodPut, Path: "sys/unseal", Body: `{"key":"…"}`, Result: "unsealed",
	}, Step{
		Guide: "vault login <your initial root token>", Result: "no call: each later call carries the root token in its header",
	})
	return nil
}

// makeRoot makes the root authority.
func (s *setup) makeRoot(ctx context.Context) error {
	if err := s.mount(ctx, render.RootMount, "vault secrets enable pki", "vault secrets tune -max-lease-ttl=87600h pki", "87600h"); err != nil {
		return err
	}
	body := map[string]any{"common_name": s.o.regions()[0], "ttl": "87600h"}
	if !s.o.Published {
		// Three authorities may stand below: the intermediate, the one that the lab signs wrong certificates with, and one of a chain.
		body = map[string]any{"common_name": s.o.Name + " root", "ttl": "87600h", "key_type": "ec", "key_bits": 256, "max_path_length": 3}
	}
	answer, err := s.call(ctx, `vault write -field=certificate pki/root/generate/internal common_name="global.nomad" ttl=87600h > CA_cert.crt`,
		http.MethodPost, render.RootMount+"/root/generate/internal", body)
	if err != nil {
		return err
	}
	s.root = withNewline(answer.Text("certificate"))
	return nil
}

// makeIntermediate makes the authority that signs the agents' certificates.
func (s *setup) makeIntermediate(ctx context.Context) error {
	mount := render.IntermediateMount
	if err := s.mount(ctx, mount, "vault secrets enable -path=pki_int pki", "vault secrets tune -max-lease-ttl=43800h pki_int", "43800h"); err != nil {
		return err
	}
	request := map[string]any{"common_name": s.o.regions()[0] + " Intermediate Authority", "ttl": "43800h"}
	sign := map[string]any{"format": "pem_bundle", "ttl": "43800h"}
	if !s.o.Published {
		request = map[string]any{"common_name": s.o.Name + " intermediate", "key_type": "ec", "key_bits": 256}
		sign = map[string]any{"format": "pem_bundle", "ttl": "43800h", "max_path_length": 2}
	}
	answer, err := s.call(ctx, `vault write -format=json pki_int/intermediate/generate/internal common_name="global.nomad Intermediate Authority" ttl="43800h" | jq -r '.data.csr' > pki_intermediate.csr`,
		http.MethodPost, mount+"/intermediate/generate/internal", request)
	if err != nil {
		return err
	}
	sign["csr"] = answer.Text("csr")
	answer, err = s.call(ctx, `vault write -format=json pki/root/sign-intermediate csr=@pki_intermediate.csr format=pem_bundle ttl="43800h" | jq -r '.data.certificate' > intermediate.cert.pem`,
		http.MethodPost, render.RootMount+"/root/sign-intermediate", sign)
	if err != nil {
		return err
	}
	// The format pem_bundle puts the root behind the intermediate, so that Vault knows the whole chain afterwards.
	bundle := withNewline(answer.Text("certificate"))
	if s.intermediate, err = firstCertificate(bundle); err != nil {
		return fmt.Errorf("sign the intermediate authority: %w", err)
	}
	_, err = s.call(ctx, "vault write pki_int/intermediate/set-signed certificate=@intermediate.cert.pem",
		http.MethodPost, mount+"/intermediate/set-signed", map[string]any{"certificate": bundle})
	return err
}

// mount enables the PKI secrets engine at a path, and sets the longest life of what it issues.
func (s *setup) mount(ctx context.Context, path, enable, tune, life string) error {
	if _, err := s.call(ctx, enable, http.MethodPost, "sys/mounts/"+path, map[string]any{"type": "pki"}); err != nil {
		return err
	}
	_, err := s.call(ctx, tune, http.MethodPost, "sys/mounts/"+path+"/tune", map[string]any{"max_lease_ttl": life})
	return err
}

// writeRoles writes the roles and their policies.
func (s *setup) writeRoles(ctx context.Context) error {
	for _, r := range s.o.roles() {
		_, err := s.call(ctx, "vault write pki_int/roles/nomad-cluster allowed_domains=global.nomad allow_subdomains=true max_ttl=86400s require_cn=false generate_lease=true",
			http.MethodPost, render.IntermediateMount+"/roles/"+r.name, r.parameters(s.o))
		if err != nil {
			return err
		}
		if _, err := s.call(ctx, "vault policy write tls-policy tls-policy.hcl",
			http.MethodPut, "sys/policies/acl/"+r.policy, map[string]any{"policy": r.rules(s.o)}); err != nil {
			return err
		}
		s.steps = append(s.steps, Step{
			Guide: `vault token create -policy="tls-policy" -ttl=24h`, Method: http.MethodPost, Path: "auth/token/create",
			Body: encoded(tokenParameters(r, s.o)), Result: "done for each node when the lab needs it",
		})
	}
	return nil
}

// makeSigner makes an authority whose key this program holds, below the intermediate one, so that agents accept what it issues
// whether they trust the root or the intermediate.
func (s *setup) makeSigner(ctx context.Context) (*pki.Authority, error) {
	pending, csr, err := pki.NewRequest(pki.Options{CommonName: s.o.Name + " signer", LeafTTL: s.o.TTL})
	if err != nil {
		return nil, fmt.Errorf("make the request for the signing authority: %w", err)
	}
	answer, err := s.call(ctx, "", http.MethodPost, render.IntermediateMount+"/root/sign-intermediate",
		map[string]any{"csr": string(csr), "format": "pem", "ttl": "43800h", "max_path_length": 1})
	if err != nil {
		return nil, err
	}
	trust := s.root
	if s.o.Published {
		trust = s.intermediate // the guide's ca.crt.tpl
	}
	signer, err := pending.Complete([]byte(withNewline(answer.Text("certificate"))+s.intermediate+s.root), []byte(trust))
	if err != nil {
		return nil, fmt.Errorf("complete the signing authority: %w", err)
	}
	return signer, nil
}

// call sends a call with the root token, and records it.
func (s *setup) call(ctx context.Context, guide, method, path string, body map[string]any) (Answer, error) {
	answer, err := s.client.Call(ctx, s.keys.Root, method, path, body)
	if err != nil {
		return Answer{}, err
	}
	result := "done"
	if len(answer.Warnings) > 0 {
		result = "done; Vault warns: " + strings.Join(answer.Warnings, "; ")
	}
	s.steps = append(s.steps, Step{Guide: guide, Method: method, Path: path, Body: encoded(body), Result: result})
	return answer, nil
}

// encoded returns a body in JSON, with "…" for certificates and requests.
func encoded(body map[string]any) string {
	shown := make(map[string]any, len(body))
	for k, v := range body {
		if text, is := v.(string); is && strings.Contains(text, "-----BEGIN ") {
			v = "…"
		}
		shown[k] = v
	}
	text, err := json.Marshal(shown) // with sorted keys
	if err != nil {
		return "…"
	}
	return string(text)
}

// firstCertificate returns the first certificate of a text in PEM.
func firstCertificate(text string) (string, error) {
	const end = "-----END CERTIFICATE-----"
	if _, err := pki.DecodeCertificates([]byte(text)); err != nil {
		return "", err
	}
	before, _, _ := strings.Cut(text, end)
	return before + end + "\n", nil
}

// withNewline returns a PEM text with the newline that Vault leaves out.
func withNewline(text string) string { return strings.TrimSpace(text) + "\n" }
