package vault

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"nomadlab.internal/lab/authority/vault/render"
	"nomadlab.internal/lab/pki"
)

// Denial is one call with a node's token that a safe Vault must deny, and its control: the same call by a caller that may do it,
// or the same token with what it may do.
type Denial struct {
	// Name is short and stable, and goes with "a node is denied to", such as "sign an authority with the root".
	Name string
	// Why says what a node could do if the call were accepted.
	Why string
	// Method and Path are those of the call; Path has no "/v1/".
	Method, Path string
	// Caller is the role of Nomad whose token calls.
	Caller pki.Role
	// Outcome is what came of it.
	Outcome Outcome
	// ControlCall says what the control did, such as "the same call with the root token".
	ControlCall string
	// Control is what came of the control. It must be accepted, or Outcome proves nothing.
	Control Outcome
	// Hole is true if the published guide accepts the call.
	Hole bool
}

// Outcome is what came of a call.
type Outcome struct {
	Accepted bool
	// Denied is true if Vault refused for want of permission or because a role does not allow it. An outcome that is neither
	// accepted nor denied shows nothing.
	Denied bool
	// Said are Vault's own words, or what the answer held.
	Said string
}

// Passed reports whether the call was denied and the control accepted.
func (d Denial) Passed() bool { return d.Outcome.Denied && !d.Outcome.Accepted && d.Control.Accepted }

// probe is one Denial before it is run.
type probe struct {
	Denial
	body map[string]any
	// undo takes back what the control made. Nil: it made nothing that stays.
	undo func(ctx context.Context, answer Answer) error
	// control is the control where it is not the same call with the root token.
	control *controlCall
}

type controlCall struct {
	token      Secret
	path, what string
	body       map[string]any
}

// Denials tries with the token of a client and of a server all that must be denied, each with its control. It needs identities of
// both roles in one region among Options.Requests. What the controls make, they remove; the authorities stay as they are.
// Denials returns an error if it cannot try.
func (a *Authority) Denials(ctx context.Context) ([]Denial, error) {
	t, err := a.newTrial(ctx)
	if err != nil {
		return nil, fmt.Errorf("try what Vault denies: %w", err)
	}
	if err := t.work(ctx); err != nil {
		return nil, fmt.Errorf("try what Vault denies: %w", err)
	}
	var out []Denial
	for _, p := range t.probes() {
		d, err := t.run(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("try %q at Vault: %w", p.Name, err)
		}
		out = append(out, d)
	}
	if err := errors.Join(t.work(ctx), t.end(ctx)); err != nil {
		return nil, fmt.Errorf("try what Vault denies: %w", err)
	}
	return out, nil
}

// trial has what the probes need.
type trial struct {
	a              *Authority
	client, server pki.Identity
	// clientToken and serverToken are as nodes have them.
	clientToken, serverToken Secret
	csr, selfIssued          string
}

// controlRole is a role of the root mount that exists only while Denials runs, so that the control can issue.
const controlRole = "nomadlab-control"

func (a *Authority) newTrial(ctx context.Context) (*trial, error) {
	t := &trial{a: a}
	for _, r := range a.o.Requests {
		switch {
		case r.Identity.Role == pki.Client && t.client.Role == "":
			t.client = r.Identity
		case r.Identity.Role == pki.Server && t.server.Role == "":
			t.server = r.Identity
		}
	}
	if t.client.Role == "" || t.server.Role == "" {
		return nil, errors.New("Options.Requests lack a client or a server")
	}
	var err error
	if t.clientToken, err = a.Token(ctx, t.client); err != nil {
		return nil, err
	}
	if t.serverToken, err = a.Token(ctx, t.server); err != nil {
		return nil, err
	}
	if t.csr, t.selfIssued, err = throwaway(t.server.Name()); err != nil {
		return nil, err
	}
	_, err = a.client.Call(ctx, a.keys.Root, http.MethodPost, render.RootMount+"/roles/"+controlRole,
		map[string]any{"allow_any_name": true, "max_ttl": "60s", "key_type": "ec", "key_bits": 256})
	return t, err
}

// end revokes the tokens and removes the control's role.
func (t *trial) end(ctx context.Context) error {
	for _, token := range []Secret{t.clientToken, t.serverToken} {
		if _, err := t.a.client.Call(ctx, t.a.keys.Root, http.MethodPost, "auth/token/revoke", map[string]any{"token": token.Reveal()}); err != nil {
			return err
		}
	}
	_, err := t.a.client.Call(ctx, t.a.keys.Root, http.MethodDelete, render.RootMount+"/roles/"+controlRole, nil)
	return err
}

// run tries one call and then its control. A token that Vault no longer knows would be denied everything, so Vault must know it
// afterwards.
func (t *trial) run(ctx context.Context, p probe) (Denial, error) {
	token := t.clientToken
	if p.Caller == pki.Server {
		token = t.serverToken
	}
	var err error
	if p.Outcome, err = t.call(ctx, p, token, p.Path, p.body); err != nil {
		return Denial{}, err
	}
	if _, err := t.a.client.Call(ctx, token, http.MethodGet, "auth/token/lookup-self", nil); err != nil {
		return Denial{}, fmt.Errorf("the token does not work any more, so a denial shows nothing: %w", err)
	}
	by, path, body := t.a.keys.Root, p.Path, p.body
	p.ControlCall = "the same call with the root token"
	if c := p.control; c != nil {
		by, path, body, p.ControlCall = c.token, c.path, c.body, c.what
	}
	p.Control, err = t.call(ctx, p, by, path, body)
	return p.Denial, err
}

// call sends one call, and takes back what it made.
func (t *trial) call(ctx context.Context, p probe, by Secret, path string, body map[string]any) (Outcome, error) {
	answer, err := t.a.client.Call(ctx, by, p.Method, path, body)
	out, err := outcome(answer, err)
	if err == nil && out.Accepted && p.undo != nil {
		err = p.undo(ctx, answer)
	}
	return out, err
}

// work returns an error unless each token gets its holder's own certificate.
func (t *trial) work(ctx context.Context) error {
	for _, holder := range []struct {
		id    pki.Identity
		token Secret
	}{{t.client, t.clientToken}, {t.server, t.serverToken}} {
		if _, err := t.a.client.Call(ctx, holder.token, http.MethodPost, t.issue(holder.id), t.names(holder.id)); err != nil {
			return fmt.Errorf("the token of %s does not get its own certificate, so a denial shows nothing: %w", holder.id, err)
		}
	}
	return nil
}

func (t *trial) issue(id pki.Identity) string {
	return render.IntermediateMount + "/issue/" + render.Role(id, t.a.o.Published)
}

func (t *trial) names(id pki.Identity) map[string]any { return t.a.parameters(id) }

// outcome sorts the result of a call. It returns an error for a result that is neither an answer nor a refusal, such as a Vault
// that cannot be reached.
func outcome(answer Answer, err error) (Outcome, error) {
	var refused *CallError
	switch {
	case err == nil:
		said := "accepted"
		if text := answer.Text("certificate"); text != "" {
			said = "accepted: a certificate"
			if end, err := endOf(text); err == nil {
				said += " until " + end.UTC().Format(time.RFC3339)
			}
		}
		return Outcome{Accepted: true, Said: said}, nil
	case errors.Is(err, ErrToken) || !errors.As(err, &refused):
		return Outcome{}, err
	default:
		return Outcome{Denied: errors.Is(err, ErrDenied) || errors.Is(err, ErrName), Said: refused.Error()}, nil
	}
}

// throwaway returns, in PEM, a certificate request for a name and a self-issued authority, whose keys nobody has.
func throwaway(name string) (csr, selfIssued string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make a key: %w", err)
	}
	subject := pkix.Name{CommonName: name}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject, DNSNames: []string{name}}, key)
	if err != nil {
		return "", "", fmt.Errorf("make a certificate request: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: subject, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Minute),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", "", fmt.Errorf("make a self-issued certificate: %w", err)
	}
	encode := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return encode("CERTIFICATE REQUEST", request), encode("CERTIFICATE", cert), nil
}
