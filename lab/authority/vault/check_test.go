package vault_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/vault"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

const day = 24 * time.Hour

// TestCheckRefusesRequests: each refusal has a request, a token or a life that is right but for one thing.
func TestCheckRefusesRequests(t *testing.T) {
	s := safe(t)
	token := func(id pki.Identity) vault.Secret {
		made, err := s.authority.Token(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	client, server := token(clientID), token(serverID)
	named, posing := clientID, clientID
	named.DNSNames, posing.DNSNames = []string{"elsewhere"}, []string{serverID.Name()}
	if err := s.authority.Check(t.Context(), client, day, authority.Request{Node: "client1", Identity: clientID}); err != nil {
		t.Fatalf("control: %v", err)
	}
	if err := s.authority.Check(t.Context(), server, day, authority.Request{Node: "server1", Identity: serverID}); err != nil {
		t.Fatalf("control: %v", err)
	}
	for name, c := range map[string]struct {
		token vault.Secret
		ttl   time.Duration
		id    pki.Identity
		want  error
		says  string
	}{
		"another role":         {client, day, serverID, vault.ErrDenied, `a policy with "update" on pki_int/issue/global-server-nomad`},
		"another's name":       {client, day, named, vault.ErrName, "add it to allowed_domains"},
		"a server's name":      {client, day, posing, vault.ErrName, "server.global.nomad"},
		"no life":              {client, 0, clientID, vault.ErrLifetime, "Vault takes zero for the role's own life"},
		"too short a life":     {client, 59 * time.Second, clientID, vault.ErrLifetime, "1m0s or more"},
		"beyond the role":      {client, 2 * day, clientID, vault.ErrLifetime, "48h0m0s was asked for and 24h0m0s given, without an error"},
		"a token of no Vault":  {vault.NewSecret("hvs.CAESIJ"), day, clientID, vault.ErrToken, "make a new one"},
		"no token":             {vault.Secret{}, day, clientID, vault.ErrToken, "make a new one"},
		"a token with a space": {vault.NewSecret(client.Reveal() + "x"), day, clientID, vault.ErrToken, "make a new one"},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.authority.Check(t.Context(), c.token, c.ttl, authority.Request{Node: "n1", Identity: c.id})
			wantInvalid(t, err, c.want, c.says)
			if err != nil && !c.token.IsZero() && strings.Contains(err.Error(), c.token.Reveal()) {
				t.Error("the error shows the token")
			}
		})
	}
}

// TestCheckListsAllFaults: one error names each request that cannot be met.
func TestCheckListsAllFaults(t *testing.T) {
	s := safe(t)
	token, err := s.authority.Token(t.Context(), clientID)
	if err != nil {
		t.Fatal(err)
	}
	other := clientID
	other.DNSNames = []string{"elsewhere"}
	err = s.authority.Check(t.Context(), token, day,
		authority.Request{Node: "n1", Identity: other}, authority.Request{Node: "n2", Identity: serverID}, authority.Request{Node: "n3", Identity: clientID})
	if !errors.Is(err, vault.ErrName) || !errors.Is(err, vault.ErrDenied) {
		t.Errorf("%v, want both faults", err)
	}
	if text := fmt.Sprint(err); !strings.Contains(text, "n1") || !strings.Contains(text, "n2") || strings.Contains(text, "n3") {
		t.Errorf("%v, want n1 and n2, and not n3", err)
	}
}

// TestCheckBeyondTheAuthority: a role may allow more than its authority has left; Vault then refuses, and does not shorten.
func TestCheckBeyondTheAuthority(t *testing.T) {
	s := safe(t)
	token, err := s.authority.Token(t.Context(), clientID)
	if err != nil {
		t.Fatal(err)
	}
	setLife := func(ttl string) {
		t.Helper()
		_, err := s.authority.Client().Call(t.Context(), s.authority.Keys().Root, http.MethodPatch, "pki_int/roles/global-client-nomad", map[string]any{"max_ttl": ttl})
		if err != nil {
			t.Fatal(err)
		}
	}
	setLife("50000h")
	request := authority.Request{Node: "client1", Identity: clientID}
	wantInvalid(t, s.authority.Check(t.Context(), token, 45000*time.Hour, request), vault.ErrLifetime, "beyond the expiration of the CA certificate")
	if err := s.authority.Check(t.Context(), token, 43000*time.Hour, request); err != nil {
		t.Errorf("control: %v", err)
	}
	setLife("86400s")
	wantInvalid(t, s.authority.Check(t.Context(), token, 43000*time.Hour, request), vault.ErrLifetime, "without an error")
}

// TestCheckExpiredToken waits for a real token's end.
func TestCheckExpiredToken(t *testing.T) {
	s := safe(t)
	request := authority.Request{Node: "client1", Identity: clientID}
	made, err := s.authority.Client().Call(t.Context(), s.authority.Keys().Root, http.MethodPost, "auth/token/create",
		map[string]any{"policies": []string{"global-client-nomad-tls"}, "ttl": "2s", "no_default_policy": true})
	if err != nil {
		t.Fatal(err)
	}
	token := made.Auth.Token()
	if err := s.authority.Check(t.Context(), token, day, request); err != nil {
		t.Fatalf("control, before its end: %v", err)
	}
	err = poll.Until(within(t), "the token expires", func(ctx context.Context) string {
		if err := s.authority.Check(ctx, token, day, request); !errors.Is(err, vault.ErrToken) {
			return fmt.Sprint(err)
		}
		return ""
	})
	if err != nil {
		t.Error(err)
	}
	wantInvalid(t, s.authority.Check(t.Context(), token, day, request), vault.ErrToken, "it has expired, was revoked, or is of another Vault")
}

// TestCheckSealed seals a Vault and opens it again.
func TestCheckSealed(t *testing.T) {
	s := safe(t)
	token, err := s.authority.Token(t.Context(), clientID)
	if err != nil {
		t.Fatal(err)
	}
	request := authority.Request{Node: "client1", Identity: clientID}
	check := func() error { return s.authority.Check(t.Context(), token, day, request) }
	if err := check(); err != nil {
		t.Fatalf("control, before: %v", err)
	}
	client := s.authority.Client()
	if err := client.Seal(t.Context(), s.authority.Keys().Root); err != nil {
		t.Fatal(err)
	}
	wantInvalid(t, check(), vault.ErrSealed, "unseal it with `vault operator unseal`")
	if _, err := client.Call(t.Context(), token, http.MethodGet, "auth/token/lookup-self", nil); !errors.Is(err, vault.ErrSealed) {
		t.Errorf("a call to the sealed Vault: %v", err)
	}
	if err := client.Unseal(within(t), vault.NewSecret("bm90IHRoZSBrZXk=")); err == nil {
		t.Error("another key opened it")
	}
	if err := s.authority.Unseal(within(t)); err != nil {
		t.Fatal(err)
	}
	if err := check(); err != nil {
		t.Errorf("control, after: %v", err)
	}
}

// TestCheckUninitialisedAndUnreachable starts a Vault of its own.
func TestCheckUninitialisedAndUnreachable(t *testing.T) {
	safe(t)
	binary, err := vaultBinary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := startServer(within(t), binary, filepath.Join(t.TempDir(), "vault"), true)
	if s != nil {
		t.Cleanup(s.stop)
	}
	if err != nil {
		t.Fatal(err)
	}
	// The same Authority at another address: nothing differs but the server.
	dir := t.TempDir()
	if err := running.published.authority.Save(dir); err != nil {
		t.Fatal(err)
	}
	o := running.published.options(true)
	check := func(address string) error {
		o.Address = address
		a, err := vault.Load(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		token, err := running.published.authority.Token(t.Context(), clientID)
		if err != nil {
			t.Fatal(err)
		}
		return a.Check(t.Context(), token, day, authority.Request{Node: "client1", Identity: clientID})
	}
	if err := check(running.published.address); err != nil {
		t.Fatalf("control: %v", err)
	}
	wantInvalid(t, check(s.address), vault.ErrUninitialised, "vault operator init")
	wantInvalid(t, check("https"+strings.TrimPrefix(s.address, "http")), vault.ErrUnreachable, "it listens without TLS: write http://")
	wantInvalid(t, check("http"+strings.TrimPrefix(running.safe.address, "https")), vault.ErrAddress, "it listens with TLS: write https://")
	wantInvalid(t, check(running.safe.address), vault.ErrUnreachable, "give the authority of its certificate")
	s.stop()
	wantInvalid(t, check(s.address), vault.ErrUnreachable, "start it, or mend its address")
}

func wantInvalid(t *testing.T, err, want error, says string) {
	t.Helper()
	if !errors.Is(err, want) || !errors.Is(err, spec.ErrInvalid) || !strings.Contains(fmt.Sprint(err), says) {
		t.Errorf("%v, want %v that says %q", err, want, says)
	}
}

// TestNoTokenFollowsARedirect: the token is for this server, and not for another that an answer names.
func TestNoTokenFollowsARedirect(t *testing.T) {
	got := make(chan string, 1)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("X-Vault-Token") }))
	t.Cleanup(elsewhere.Close)
	first := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(first.Close)
	c, err := vault.NewClient(first.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Call(t.Context(), vault.NewSecret("hush"), http.MethodGet, "sys/mounts", nil); err == nil {
		t.Error("a redirect counts as an answer")
	}
	select {
	case token := <-got:
		t.Errorf("another server was called, with the token %q", token)
	default:
	}
}
