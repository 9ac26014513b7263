package vault

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/vault/render"
)

// clockMargin is how much earlier than asked for a certificate may end, for the time that a call takes.
const clockMargin = 30 * time.Second

// Check finds out, before any agent is started, whether a token can get the certificates of the requests with that life. It asks
// for each of them and drops the answer, because nothing else shows what a role allows to a token that cannot read it. ttl is what
// the nodes' templates ask for.
//
// All that is wrong is in the error, each part with its remedy. Every part is a spec.ErrInvalid: ErrUnreachable, ErrUninitialised,
// ErrSealed, ErrStandby, ErrToken, ErrDenied, ErrName or ErrLifetime.
func (a *Authority) Check(ctx context.Context, token Secret, ttl time.Duration, requests ...authority.Request) error {
	health, err := a.client.Health(ctx)
	if err == nil {
		err = health.Err()
	}
	if err == nil {
		err = a.checkToken(ctx, token)
	}
	if err != nil {
		return fmt.Errorf("check Vault at %s: %w", a.client.Address(), err)
	}
	if ttl < render.MinTTL {
		return fmt.Errorf("check Vault at %s: %w: %s: ask for %s or more: Vault takes zero for the role's own life, and consul-template renews after nine tenths of it",
			a.client.Address(), ErrLifetime, ttl, render.MinTTL)
	}
	var faults []error
	for _, r := range requests {
		if err := a.checkRequest(ctx, token, ttl, r); err != nil {
			faults = append(faults, fmt.Errorf("certificate of %s: %w", r.For(), err))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("check Vault at %s: %w", a.client.Address(), err)
	}
	return nil
}

// checkToken asks Vault for the token itself.
func (a *Authority) checkToken(ctx context.Context, token Secret) error {
	if token.IsZero() { // Vault answers "permission denied", as if a policy were missing
		return fmt.Errorf("%w: there is none: make a new one with `vault token create`", ErrToken)
	}
	_, err := a.client.Call(ctx, token, http.MethodGet, "auth/token/lookup-self", nil)
	switch {
	case errors.Is(err, ErrToken):
		return fmt.Errorf("%w: it has expired, was revoked, or is of another Vault: make a new one with `vault token create`", ErrToken)
	case errors.Is(err, ErrDenied):
		return nil // a policy may leave out lookup-self; Vault knows the token, else it would have said so
	default:
		return err
	}
}

// checkRequest asks for one certificate, and compares its end with what was asked for.
func (a *Authority) checkRequest(ctx context.Context, token Secret, ttl time.Duration, r authority.Request) error {
	name := render.Role(r.Identity, a.o.Published)
	body := a.parameters(r.Identity)
	body["ttl"] = seconds(ttl)
	asked := time.Now()
	answer, err := a.client.Call(ctx, token, http.MethodPost, render.IntermediateMount+"/issue/"+name, body)
	switch {
	case errors.Is(err, ErrDenied):
		return fmt.Errorf("%w: %w: give it a policy with \"update\" on %s/issue/%s", ErrDenied, err, render.IntermediateMount, name)
	case errors.Is(err, ErrName):
		return fmt.Errorf("%w: %w: add it to allowed_domains of the role %q", ErrName, err, name)
	case errors.Is(err, ErrLifetime):
		return fmt.Errorf("%w: %w: ask for less, or renew the authority", ErrLifetime, err)
	case err != nil:
		return err
	}
	end, err := endOf(answer.Text("certificate"))
	if err != nil {
		return fmt.Errorf("what Vault issued: %w", err)
	}
	// Vault shortens a life to the role's max_ttl, and to the authority's where leaf_not_after_behavior says so, with a warning
	// alone (builtin/logical/pki/issuing/issue_common.go:985).
	if end.Before(asked.Add(ttl - clockMargin)) {
		return fmt.Errorf("%w: %s was asked for and %s given, without an error (%s): ask for less, or raise max_ttl of the role %q",
			ErrLifetime, ttl, end.Sub(asked).Round(10*time.Second), strings.Join(answer.Warnings, "; "), name)
	}
	return nil
}

// endOf returns when a certificate in PEM expires.
func endOf(text string) (time.Time, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return time.Time{}, errors.New("no certificate in PEM form")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, err
	}
	return cert.NotAfter, nil
}
