package rehearsal_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/rehearsal"
)

// hardenedWith returns the hardened configuration with texts replaced.
func hardenedWith(t *testing.T, name string, replace ...string) rehearsal.Side {
	t.Helper()
	return side(t, name, copied(t, "hardened", replace...), "")
}

const otherKey = "cg8StVXbQJ0gPvMd9o7yrg=="

// theKey is the gossip key of the hardened configuration.
const theKey = "dVPlufFjUOQuaP87qGEvVKnHxbz55Ze9DPwVHP3FsFg="

// TestLines holds how single lines take effect, and that a comment is no change.
func TestLines(t *testing.T) {
	for name, test := range map[string]struct {
		replace []string
		setting string
		effect  rehearsal.Effect
		says    string
	}{
		"a limit":                        {[]string{"http_max_conns_per_client = 100", "http_max_conns_per_client = 120"}, "limits.http_max_conns_per_client", rehearsal.Restart, "a reload does not read it"},
		"the log's level is the lab's":   {[]string{`log_level = "INFO"`, `log_level = "DEBUG"`}, "log_level", rehearsal.Reload, "a reload reads it"},
		"a verify flag alone":            {[]string{"verify_https_client = true", "verify_https_client = false"}, "tls.verify_https_client", rehearsal.Restart, "only if a certificate"},
		"bootstrap_expect":               {[]string{"bootstrap_expect = 3", "bootstrap_expect = 5"}, "server.bootstrap_expect", rehearsal.Nothing, "does not read it any more"},
		"data_dir":                       {[]string{"/opt/nomad/data", "/srv/nomad"}, "data_dir", rehearsal.Replacement, "without state"},
		"another gossip key":             {[]string{theKey, otherKey}, "server.encrypt", rehearsal.Call, "as long as its data_dir has no keyring"},
		"no gossip key":                  {[]string{`encrypt = "` + theKey + `"`, ""}, "server.encrypt", rehearsal.Restart, "does not hear the others"},
		"ACLs off":                       {[]string{"  enabled = true\n\n  # How long a revoked", "  enabled = false\n\n  # How long a revoked"}, "acl.enabled", rehearsal.Restart, "a reload does not read it"},
		"a comment, and nothing is said": {[]string{"# The servers' RPC addresses", "# Their addresses"}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			change, err := rehearsal.Compare(hardenedWith(t, "old"), hardenedWith(t, "new", test.replace...), plan.Plan{}, plan.Plan{})
			if err != nil {
				t.Fatal(err)
			}
			if test.setting == "" {
				if !change.Empty() {
					t.Errorf("the change has %v, want nothing", change.Lines)
				}
				return
			}
			if len(change.Lines) == 0 || change.Empty() {
				t.Fatal("nothing differs")
			}
			for _, l := range change.Lines {
				if l.Setting != test.setting || l.Effect != test.effect || !strings.Contains(l.Why, test.says) {
					t.Errorf("%s: %s, because %s; want %s: %s, because … %s …", l.Setting, l.Effect, l.Why, test.setting, test.effect, test.says)
				}
				if strings.Contains(l.Was+l.Becomes, theKey) || strings.Contains(l.Was+l.Becomes, otherKey) {
					t.Error("a gossip key is shown")
				}
				if filepath.Base(l.File) == "." || l.Number == 0 {
					t.Errorf("the line is at %q:%d", l.File, l.Number)
				}
			}
		})
	}
}

// TestCertificatesThatChange holds that only what differs is a line, and that a key is in none.
func TestCertificatesThatChange(t *testing.T) {
	one, folder := authority(t, "the one"), copied(t, "hardened")
	from := side(t, "old", folder, issued(t, one))
	settings := func(to rehearsal.Side) []string {
		change, err := rehearsal.Compare(from, to, plan.Plan{}, plan.Plan{})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, l := range change.Lines {
			out = append(out, string(l.Role)+" "+l.Setting)
		}
		return out
	}
	const leaf, ca = "content of tls.cert_file, tls.key_file", "content of tls.ca_file"
	if got, want := settings(side(t, "renewed", folder, issued(t, one))), []string{"server " + leaf, "client " + leaf}; !slices.Equal(got, want) {
		t.Errorf("renewed certificates: %q, want %q", got, want)
	}
	if got, want := settings(side(t, "of another authority", folder, issued(t, authority(t, "the other")))), []string{"server " + ca, "server " + leaf, "client " + ca, "client " + leaf}; !slices.Equal(got, want) {
		t.Errorf("certificates of another authority: %q, want %q", got, want)
	}
	if got := settings(from); len(got) > 0 {
		t.Errorf("the same certificates: %q, want nothing", got)
	}
}

// TestRefusals holds what no rollout makes. Each has its control: the same configuration without the one change.
func TestRefusals(t *testing.T) {
	folder := copied(t, "hardened")
	from := side(t, "old", folder, "")
	alone := from
	configuration := *from.Source.Configuration
	configuration.Client.Files = nil
	alone.Source.Configuration = &configuration
	for name, test := range map[string]struct {
		to   rehearsal.Side
		says string
	}{
		"a region":        {hardenedWith(t, "new", `region = "global"`, `region = "eu"`), "Nomad renames no region"},
		"ports":           {hardenedWith(t, "new", "bind_addr = ", "ports {\n  rpc = 5647\n}\n\nbind_addr = "), "the servers' ports are 4646, 4647 and 4648"},
		"no clients":      {alone, "old has 2 roles and new has 1"},
		"no certificates": {side(t, "new", folder, issued(t, authority(t, "some"))), "only one of old and new came with certificates"},
		"nothing":         {hardenedWith(t, "new"), ""},
	} {
		test.to.Name = "new"
		_, err := rehearsal.Compare(from, test.to, plan.Plan{}, plan.Plan{})
		switch {
		case test.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.says != "" && (!errors.Is(err, rehearsal.ErrRefused) || !strings.Contains(err.Error(), test.says)):
			t.Errorf("%s: %v, want one that says %q", name, err, test.says)
		}
	}
}

// TestOrders holds which orders are tried, and in which rounds.
func TestOrders(t *testing.T) {
	one, folder := authority(t, "the one"), copied(t, "hardened")
	from := hardenedWith(t, "old")
	for name, test := range map[string]struct {
		from, to rehearsal.Side
		order    string
		orders   []string
		rounds   int // of the order in rounds; 0: it is not tried
	}{
		"a limit": {from, hardenedWith(t, "new", "http_max_conns_per_client = 100", "http_max_conns_per_client = 120"), "",
			[]string{rehearsal.ServersFirst, rehearsal.ClientsFirst}, 0},
		"another authority": {side(t, "old", folder, issued(t, one)), side(t, "new", folder, issued(t, authority(t, "the other"))), "",
			[]string{rehearsal.ServersFirst, rehearsal.InRounds, rehearsal.ClientsFirst}, 3},
		"TLS on": {side(t, "old", copied(t, "plaintext"), ""), from, rehearsal.InRounds,
			[]string{rehearsal.InRounds, rehearsal.ServersFirst, rehearsal.ClientsFirst}, 2},
		"gossip in clear": {from, hardenedWith(t, "new", `encrypt = "`+theKey+`"`, ""), rehearsal.ClientsFirst,
			[]string{rehearsal.ClientsFirst, rehearsal.InRounds, rehearsal.ServersFirst}, 1},
		"names": {from, hardenedWith(t, "new", "http_max_conns_per_client = 100", "http_max_conns_per_client = 120"), "server-2,client-1",
			[]string{"server-2,client-1", rehearsal.ServersFirst, rehearsal.ClientsFirst}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			o.Order = test.order
			_, all, err := rehearsal.Preview(t.Context(), o, test.from, test.to)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range all {
				got = append(got, s.Order)
				if s.Order == rehearsal.InRounds && len(s.Rounds) != test.rounds {
					t.Errorf("%d rounds, want %d", len(s.Rounds), test.rounds)
				}
			}
			if !slices.Equal(got, test.orders) {
				t.Errorf("the orders are %q, want %q", got, test.orders)
			}
		})
	}
	o := options(t)
	o.Order = "server-9"
	if _, _, err := rehearsal.Preview(t.Context(), o, from, hardenedWith(t, "new", "/opt/nomad/data", "/srv/nomad")); !errors.Is(err, rehearsal.ErrRefused) || !strings.Contains(err.Error(), "server-1") {
		t.Errorf("an order of unknown nodes: %v", err)
	}
	o.Order = "server-1,client-1,server-1"
	if _, _, err := rehearsal.Preview(t.Context(), o, from, hardenedWith(t, "new", "/opt/nomad/data", "/srv/nomad")); !errors.Is(err, rehearsal.ErrRefused) || !strings.Contains(err.Error(), "server-1 twice") {
		t.Errorf("an order that names a node twice: %v", err)
	}
}
