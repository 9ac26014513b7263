package vault_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/vault"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// one returns the only certificate of a text in PEM.
func one(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	certs, err := pki.DecodeCertificates(text)
	if err != nil || len(certs) != 1 {
		t.Fatalf("%d certificates, %v; want one", len(certs), err)
	}
	return certs[0]
}

func TestTheAuthoritiesFormAChain(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		root, intermediate, signer := one(t, s.authority.RootPEM()), one(t, s.authority.IntermediatePEM()), one(t, s.authority.Signer().CertificatePEM())
		for _, link := range []struct{ parent, child *x509.Certificate }{{root, root}, {root, intermediate}, {intermediate, signer}} {
			if !pki.Signed(link.parent, link.child) {
				t.Errorf("%s did not sign %s", link.parent.Subject, link.child.Subject)
			}
		}
		if pki.Signed(root, signer) {
			t.Error("the root signed the signing authority itself")
		}
		wanted := []int{3, 2, 1}
		if s == running.published {
			wanted = []int{-1, -1, 1} // no limit
		}
		if got := []int{root.MaxPathLen, intermediate.MaxPathLen, signer.MaxPathLen}; !slices.Equal(got, wanted) {
			t.Errorf("path lengths %v, want %v", got, wanted)
		}
	})
}

// TestThePublishedRoleIsTheGuides reads back what the guide writes.
func TestThePublishedRoleIsTheGuides(t *testing.T) {
	s := published(t)
	role, err := s.authority.Client().Call(t.Context(), s.authority.Keys().Root, http.MethodGet, "pki_int/roles/nomad-cluster", nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"allowed_domains": "[global.nomad eu.nomad]", "allow_subdomains": "true", "max_ttl": "86400", "require_cn": "false",
		"generate_lease": "true", "allow_localhost": "true", "key_type": "rsa",
	} {
		if got := fmt.Sprint(role.Data[key]); got != want {
			t.Errorf("%s = %s, want %s", key, got, want)
		}
	}
	policy, err := s.authority.Client().Call(t.Context(), s.authority.Keys().Root, http.MethodGet, "sys/policies/acl/tls-policy", nil)
	const guides = "path \"pki_int/issue/nomad-cluster\" {\n  capabilities = [\"update\"]\n}\n"
	if err != nil || policy.Text("policy") != guides {
		t.Errorf("policy %q, %v; want the guide's", policy.Text("policy"), err)
	}
}

// TestStepsShowNoSecret: the steps show the guide's commands and what was called, and nothing that prints holds a secret.
func TestStepsShowNoSecret(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		keys := s.authority.Keys()
		token, err := s.authority.Token(t.Context(), clientID)
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(map[string]any{"keys": keys, "token": token, "steps": s.authority.Steps()})
		if err != nil {
			t.Fatal(err)
		}
		shown := fmt.Sprintf("%v %+v %#v %s %x %d %v %#v", keys, keys, keys, token, token, token, s.authority, token) +
			fmt.Sprintf("%+v", s.authority.Steps()) + string(encoded) + s.log.String()
		for name, secret := range map[string]vault.Secret{"unseal key": keys.Unseal, "root token": keys.Root, "token": token} {
			if len(secret.Reveal()) < 20 {
				t.Fatalf("the %s has %d characters", name, len(secret.Reveal()))
			}
			if strings.Contains(shown, secret.Reveal()) {
				t.Errorf("the %s is shown", name)
			}
		}
		if !strings.Contains(shown, "pki/root/generate/internal") || !strings.Contains(shown, "vault secrets enable pki") {
			t.Error("the steps lack a call or a command of the guide")
		}
	})
}

func TestIssuedByVault(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		credentials, err := s.authority.Issue(t.Context(), requests()...)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range requests() {
			chain, err := credentials[i].Chain()
			if err != nil {
				t.Fatal(err)
			}
			leaf, anchor := chain[0], one(t, credentials[i].CAPEM)
			wantChain, wantAnchor := 2, s.authority.RootPEM()
			wantNames := slices.Concat([]string{r.Identity.Name(), "localhost"}, r.Identity.DNSNames)
			if s == running.published {
				wantChain, wantAnchor, wantNames = 1, s.authority.IntermediatePEM(), []string{r.Identity.Name(), "localhost"}
				if r.Identity.Role == pki.CLI {
					wantNames = nil
				}
			}
			slices.Sort(wantNames)
			slices.Sort(leaf.DNSNames)
			if !slices.Equal(leaf.DNSNames, wantNames) {
				t.Errorf("%s: names %q, want %q", r.For(), leaf.DNSNames, wantNames)
			}
			if len(chain) != wantChain || !anchor.Equal(one(t, wantAnchor)) {
				t.Errorf("%s: chain of %d and anchor %s, want %d and %s", r.For(), len(chain), anchor.Subject, wantChain, one(t, wantAnchor).Subject)
			}
			if len(pki.LeadsTo(leaf, chain[1:], []*x509.Certificate{anchor})) != 1 {
				t.Errorf("%s: the certificate does not lead to its anchor", r.For())
			}
			wantRSA := r.RSA || s == running.published
			if isRSA := leaf.PublicKeyAlgorithm == x509.RSA; isRSA != wantRSA {
				t.Errorf("%s: key %s", r.For(), leaf.PublicKeyAlgorithm)
			}
			if life := time.Until(leaf.NotAfter); life < 23*time.Hour || life > 24*time.Hour {
				t.Errorf("%s: ends in %s, want a day", r.For(), life)
			}
		}
	})
}

func TestIssueRefuses(t *testing.T) {
	s := safe(t)
	other := clientID
	other.DNSNames = []string{"elsewhere"}
	for name, c := range map[string]struct {
		wrong, right authority.Request
		want         error
	}{
		"a name that no request had":       {authority.Request{Identity: other}, authority.Request{Identity: clientID}, vault.ErrName},
		"a region without a role":          {authority.Request{Identity: pki.Identity{Role: pki.Client, Region: "us"}}, authority.Request{Identity: euID}, spec.ErrInvalid},
		"an RSA key of a role that has no": {authority.Request{Identity: clientID, RSA: true}, authority.Request{Identity: euID, RSA: true}, spec.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.authority.Issue(t.Context(), c.wrong); !errors.Is(err, c.want) || !errors.Is(err, spec.ErrInvalid) {
				t.Errorf("wrong: %v, want %v", err, c.want)
			}
			if _, err := s.authority.Issue(t.Context(), c.right); err != nil {
				t.Errorf("right: %v", err)
			}
		})
	}
}

// TestBothBundlesAcceptTheSigner: an agent accepts what the signing authority issues, whether it trusts the root or the
// intermediate.
func TestBothBundlesAcceptTheSigner(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		credential, err := s.authority.Signer().Issue(serverID)
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := pki.NewAuthority(pki.Options{CommonName: "foreign"})
		if err != nil {
			t.Fatal(err)
		}
		chain, err := credential.Chain()
		if err != nil {
			t.Fatal(err)
		}
		between := x509.NewCertPool()
		for _, c := range chain[1:] {
			between.AddCert(c)
		}
		verify := func(trust []byte) error {
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(trust)
			_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: serverID.Name()})
			return err
		}
		wantTrust := s.authority.RootPEM()
		if s == running.published {
			wantTrust = s.authority.IntermediatePEM()
		}
		if !one(t, credential.CAPEM).Equal(one(t, wantTrust)) {
			t.Errorf("what it issues trusts %s", one(t, credential.CAPEM).Subject)
		}
		for name, trust := range map[string][]byte{
			"root": s.authority.RootPEM(), "intermediate": s.authority.IntermediatePEM(), "its own": credential.CAPEM,
		} {
			if err := verify(trust); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if verify(foreign.CertificatePEM()) == nil {
			t.Error("an agent that trusts a foreign authority accepts it")
		}
		if _, err := s.authority.Signer().IssueDefective(serverID, pki.IntermediateSent()); err != nil {
			t.Errorf("a further intermediate: %v", err)
		}
	})
}

func TestOptionsRefused(t *testing.T) {
	sound := func() vault.Options {
		return vault.Options{Address: "https://127.0.0.1:1", Requests: []authority.Request{{Identity: clientID}}}
	}
	if _, err := vault.Setup(t.Context(), sound()); !errors.Is(err, vault.ErrUnreachable) {
		t.Errorf("control: %v, want no fault but that no Vault listens there", err)
	}
	for name, c := range map[string]struct {
		spoil func(*vault.Options)
		want  error
		says  string
	}{
		"short life":        {func(o *vault.Options) { o.TTL = 59 * time.Second }, vault.ErrLifetime, "1m0s or more"},
		"negative life":     {func(o *vault.Options) { o.TTL = -time.Hour }, vault.ErrLifetime, "1m0s or more"},
		"life beyond":       {func(o *vault.Options) { o.TTL = 50000 * time.Hour }, vault.ErrLifetime, "beyond the 43800h"},
		"no request":        {func(o *vault.Options) { o.Requests = nil }, spec.ErrInvalid, "no certificate"},
		"no role":           {func(o *vault.Options) { o.Requests[0].Identity.Role = "" }, spec.ErrInvalid, "role"},
		"underscore":        {func(o *vault.Options) { o.Requests[0].Identity.DNSNames = []string{"client_1"} }, vault.ErrName, "write a hyphen"},
		"no address":        {func(o *vault.Options) { o.Address = "" }, vault.ErrAddress, "https://HOST:PORT"},
		"secret in address": {func(o *vault.Options) { o.Address = "https://a:b@127.0.0.1:1" }, vault.ErrAddress, "https://HOST:PORT"},
		"no authority":      {func(o *vault.Options) { o.CA = []byte("x") }, vault.ErrAddress, "no certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			o := sound()
			c.spoil(&o)
			_, err := vault.Setup(t.Context(), o)
			if !errors.Is(err, c.want) || !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %v that says %q", err, c.want, c.says)
			}
		})
	}
}

// TestVaultLeavesOutUnderscores is why Setup refuses them: Vault issues a certificate without the name, and says nothing.
func TestVaultLeavesOutUnderscores(t *testing.T) {
	s := safe(t)
	client, root := s.authority.Client(), s.authority.Keys().Root
	for name, want := range map[string]int{"under_score": 1, "hy-phen": 2} {
		path := "pki_int/roles/underscore-test"
		if _, err := client.Call(t.Context(), root, http.MethodPost, path, map[string]any{"allow_any_name": true, "enforce_hostnames": false, "key_type": "ec", "key_bits": 256}); err != nil {
			t.Fatal(err)
		}
		answer, err := client.Call(t.Context(), root, http.MethodPost, "pki_int/issue/underscore-test", map[string]any{"common_name": "a.nomad", "alt_names": name, "ttl": "60s"})
		if err != nil {
			t.Fatal(err)
		}
		if leaf := one(t, []byte(answer.Text("certificate"))); len(leaf.DNSNames) != want {
			t.Errorf("%s: names %q, want %d", name, leaf.DNSNames, want)
		}
		if _, err := client.Call(t.Context(), root, http.MethodDelete, path, nil); err != nil {
			t.Error(err)
		}
	}
}
