// Package vault makes a Vault server the certificate authority of a lab, by plain calls of its HTTP API: in the way that
// HashiCorp published, and in a safe one. An [Authority] is an [authority.Source]. The agents themselves get their certificates
// from Vault by consul-template, with the texts of package render.
package vault

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/vault/render"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Authority is a Vault server that is set up. Make one with Setup or Load; the zero Authority cannot be used. It may be used from
// several goroutines at once, and prints without its secrets.
type Authority struct {
	client             *Client
	o                  Options
	keys               Keys
	steps              []Step
	signer             *pki.Authority
	root, intermediate []byte

	mutex sync.Mutex
	// tokens are those with which Issue asks for certificates, by the name of the role.
	tokens map[string]Secret
}

// String returns the address of the Vault server.
func (a *Authority) String() string { return "Vault at " + a.client.Address() }

// Client returns the client of the Vault server.
func (a *Authority) Client() *Client { return a.client }

// Keys returns the secrets of the Vault server.
func (a *Authority) Keys() Keys { return a.keys }

// Steps returns the calls of Setup, in their order. An Authority of Load has none.
func (a *Authority) Steps() []Step { return slices.Clone(a.steps) }

// RootPEM returns the certificate of the root authority.
func (a *Authority) RootPEM() []byte { return slices.Clone(a.root) }

// IntermediatePEM returns the certificate of the authority that signs the agents' certificates.
func (a *Authority) IntermediatePEM() []byte { return slices.Clone(a.intermediate) }

// Signer returns an authority below the intermediate one, whose key this program holds. Agents accept what it issues if they trust
// the root or the intermediate.
func (a *Authority) Signer() *pki.Authority { return a.signer }

// Close closes the connections to Vault.
func (a *Authority) Close() { a.client.Close() }

// tokenParameters returns what a token for a role is made with. The guide's token ends after a day unless it is renewed, and after
// 32 days in any case. The safe one can be renewed for as long as its holder lives, outlives the root token, and lacks the policy
// "default".
func tokenParameters(r role, o Options) map[string]any {
	out := map[string]any{"policies": []string{r.policy}, "ttl": render.Duration(render.TokenTTL)}
	if !o.Published {
		out = map[string]any{
			"policies": []string{r.policy}, "period": render.Duration(render.TokenTTL), "no_default_policy": true, "no_parent": true,
			"display_name": "nomadlab",
		}
	}
	return out
}

// Token makes a token that may ask for the certificates of an identity's role, and for nothing else. It returns an error that wraps
// spec.ErrInvalid for a role that Options.Requests did not name.
func (a *Authority) Token(ctx context.Context, id pki.Identity) (Secret, error) {
	r, err := a.roleOf(id)
	if err != nil {
		return Secret{}, err
	}
	answer, err := a.client.Call(ctx, a.keys.Root, http.MethodPost, "auth/token/create", tokenParameters(r, a.o))
	if err != nil {
		return Secret{}, fmt.Errorf("make a token for %s: %w", id, err)
	}
	if answer.Auth == nil || answer.Auth.Token().IsZero() {
		return Secret{}, fmt.Errorf("make a token for %s: the answer of Vault at %s has none", id, a.client.Address())
	}
	return answer.Auth.Token(), nil
}

func (a *Authority) roleOf(id pki.Identity) (role, error) {
	name := render.Role(id, a.o.Published)
	roles := a.o.roles()
	at := slices.IndexFunc(roles, func(r role) bool { return r.name == name })
	if at < 0 {
		return role{}, fmt.Errorf("%w: Vault has no role %q for %s: name the certificate in Options.Requests", spec.ErrInvalid, name, id)
	}
	return roles[at], nil
}

// tokenOf returns the token with which Issue asks for the certificates of a role; it makes one for each role.
func (a *Authority) tokenOf(ctx context.Context, id pki.Identity) (Secret, error) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	name := render.Role(id, a.o.Published)
	if token, known := a.tokens[name]; known {
		return token, nil
	}
	token, err := a.Token(ctx, id)
	if err == nil {
		a.tokens[name] = token
	}
	return token, err
}

// Issue asks Vault for certificates as an agent would: with a token of the role alone. A published Vault gives what its templates
// render: a leaf without its chain, the intermediate as the only authority, and for the lab's user a certificate without a name.
// Issue returns ErrName or ErrLifetime, wrapped, for what the role does not allow.
func (a *Authority) Issue(ctx context.Context, requests ...authority.Request) ([]pki.Credential, error) {
	out := make([]pki.Credential, 0, len(requests))
	for _, r := range requests {
		credential, err := a.issue(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("certificate of %s: %w", r.For(), err)
		}
		out = append(out, credential)
	}
	return out, nil
}

func (a *Authority) issue(ctx context.Context, r authority.Request) (pki.Credential, error) {
	known, err := a.roleOf(r.Identity)
	if err != nil {
		return pki.Credential{}, err
	}
	if r.RSA && !known.rsa && !a.o.Published {
		return pki.Credential{}, fmt.Errorf("%w: the role %q makes ECDSA keys: ask for RSA in Options.Requests", spec.ErrInvalid, known.name)
	}
	token, err := a.tokenOf(ctx, r.Identity)
	if err != nil {
		return pki.Credential{}, err
	}
	return a.ask(ctx, token, known, r.Identity, a.parameters(r.Identity))
}

// ask asks for a certificate, and returns it as the node's templates render it.
func (a *Authority) ask(ctx context.Context, token Secret, at role, id pki.Identity, body map[string]any) (pki.Credential, error) {
	answer, err := a.client.Call(ctx, token, http.MethodPost, issuePath(at), body)
	if err != nil {
		return pki.Credential{}, err
	}
	credential := pki.Credential{
		Identity: id, CertPEM: []byte(withNewline(answer.Text("certificate")) + withNewline(answer.Text("issuing_ca"))),
		KeyPEM: []byte(withNewline(answer.Text("private_key"))), CAPEM: a.RootPEM(),
	}
	if a.o.Published {
		credential.CertPEM, credential.CAPEM = []byte(withNewline(answer.Text("certificate"))), []byte(withNewline(answer.Text("issuing_ca")))
	}
	if _, err := credential.TLSCertificate(); err != nil {
		return pki.Credential{}, fmt.Errorf("what Vault issued: %w", err)
	}
	return credential, nil
}

func issuePath(r role) string { return render.IntermediateMount + "/issue/" + r.name }

// parameters returns the body of the call for an identity's certificate: what the node's templates ask for.
func (a *Authority) parameters(id pki.Identity) map[string]any {
	if a.o.Published && id.Role == pki.CLI {
		return map[string]any{"ttl": render.Duration(a.o.TTL)} // the guide's cli.crt.tpl
	}
	body := map[string]any{}
	for _, p := range (render.Node{Identity: id, Published: a.o.Published, TTL: a.o.TTL}).Parameters() {
		key, value, _ := strings.Cut(p, "=")
		body[key] = value
	}
	return body
}

// IssueWith asks with a token, at the role of its holder, for a certificate in the name of asked, who may be another. Scenarios try
// with it what a role allows. notAfter is the end that is asked for. Zero: the usual life. It returns the errors of Issue.
func (a *Authority) IssueWith(ctx context.Context, token Secret, holder, asked pki.Identity, notAfter time.Time) (pki.Credential, error) {
	known, err := a.roleOf(holder)
	if err != nil {
		return pki.Credential{}, err
	}
	body := a.parameters(asked)
	if !notAfter.IsZero() {
		delete(body, "ttl") // Vault refuses both
		body["not_after"] = notAfter.UTC().Format(time.RFC3339)
	}
	return a.ask(ctx, token, known, asked, body)
}
