package vault_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/authority/vault"
)

// denials tries all, and expects each control to be accepted.
func denials(t *testing.T, s *server) []vault.Denial {
	t.Helper()
	all, err := s.authority.Denials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 25 {
		t.Errorf("%d denials", len(all))
	}
	for _, d := range all {
		if !d.Control.Accepted {
			t.Errorf("%s: the control (%s) was not accepted: %s", d.Name, d.ControlCall, d.Control.Said)
		}
		if d.Outcome.Accepted == d.Outcome.Denied {
			t.Errorf("%s: neither accepted nor denied: %s", d.Name, d.Outcome.Said)
		}
	}
	return all
}

func TestTheSafeVaultDenies(t *testing.T) {
	for _, d := range denials(t, safe(t)) {
		if !d.Passed() {
			t.Errorf("%s (%s %s): %s", d.Name, d.Method, d.Path, d.Outcome.Said)
		}
	}
}

// TestThePublishedVaultHasHoles: those and no others.
func TestThePublishedVaultHasHoles(t *testing.T) {
	holes := 0
	for _, d := range denials(t, published(t)) {
		if d.Passed() == d.Hole {
			t.Errorf("%s: passed %t, and a hole %t: %s", d.Name, d.Passed(), d.Hole, d.Outcome.Said)
		}
		if d.Hole {
			holes++
		}
	}
	if holes != 4 {
		t.Errorf("%d holes", holes)
	}
}

// TestDenialsLeaveNothing: what the controls make is gone, and the authorities are as before.
func TestDenialsLeaveNothing(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		list := func(path string) []string {
			answer, err := s.authority.Client().Call(t.Context(), s.authority.Keys().Root, "LIST", path, nil)
			if err != nil {
				return []string{err.Error()} // an empty list is "not found"
			}
			keys, _ := answer.Data["keys"].([]any)
			var out []string
			for _, k := range keys {
				out = append(out, fmt.Sprint(k))
			}
			slices.Sort(out)
			return out
		}
		see := func() [][]string {
			return [][]string{list("pki/roles"), list("pki/keys"), list("pki/issuers"), list("pki_int/roles"), list("pki_int/keys"), list("pki_int/issuers"), list("auth/token/accessors")}
		}
		before := see()
		denials(t, s)
		for i, after := range see() {
			if !slices.Equal(before[i], after) {
				t.Errorf("before %q, after %q", before[i], after)
			}
		}
	})
}

// TestDenialsCanFail takes each protection away: every denial that rests on it must then fail.
func TestDenialsCanFail(t *testing.T) {
	s := safe(t)
	root, client := s.authority.Keys().Root, s.authority.Client()
	call := func(method, path string, body map[string]any) vault.Answer {
		t.Helper()
		answer, err := client.Call(t.Context(), root, method, path, body)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	failed := func(status string) {
		t.Helper()
		for _, d := range denials(t, s) {
			byRole := strings.HasPrefix(d.Path, "pki_int/issue/global-client") && d.Caller == "client" && !strings.Contains(d.Name, "max_ttl")
			if want := byRole == (status == "role"); d.Passed() == want {
				t.Errorf("without the protection of the %s: %s: passed %t", status, d.Name, d.Passed())
			}
		}
	}
	restore := map[string]map[string]any{}
	for _, policy := range []string{"sys/policies/acl/global-client-nomad-tls", "sys/policies/acl/global-server-nomad-tls"} {
		restore[policy] = map[string]any{"policy": call(http.MethodGet, policy, nil).Text("policy")}
	}
	for policy := range restore {
		call(http.MethodPut, policy, map[string]any{"policy": `path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo", "patch"] }`})
	}
	failed("policy")
	for policy, body := range restore {
		call(http.MethodPut, policy, body)
	}
	const role = "pki_int/roles/global-client-nomad"
	before := call(http.MethodGet, role, nil).Data
	call(http.MethodPatch, role, map[string]any{"allow_any_name": true, "allow_wildcard_certificates": true})
	failed("role")
	call(http.MethodPost, role, before)
	for _, d := range denials(t, s) {
		if !d.Passed() {
			t.Errorf("after all is restored: %s: %s", d.Name, d.Outcome.Said)
		}
	}
}
