package certificate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/pki"
)

// TestCompare: what has changed from one certificate to another is said in words, and what is for the worse is marked. The same
// certificate has not changed.
func TestCompare(t *testing.T) {
	a, other := authority(t, pki.Options{CommonName: "first"}), authority(t, pki.Options{CommonName: "second"})
	longer := authority(t, pki.Options{CommonName: "first", LeafTTL: 20 * 24 * time.Hour})
	old := issue(t, a, pki.Identity{Role: pki.Client}, pki.Defect{})
	again, err := a.IssueForKey(pki.Identity{Role: pki.Client}, old)
	if err != nil {
		t.Fatal(err)
	}
	trusted := trusting(t, a, other, longer)
	for _, test := range []struct {
		name  string
		fresh pki.Credential
		want  []string // as WHAT: part of the text
		worse bool
	}{
		{"nothing", old, nil, false},
		{"renewed", issue(t, longer, pki.Identity{Role: pki.Client}, pki.Defect{}), []string{"life: later", "key: a new key, ECDSA P-256"}, false},
		{"renewed with its key", again, []string{"key: the same key"}, false},
		{"another role", issue(t, a, pki.Identity{Role: pki.Server}, pki.Defect{}), []string{
			"role: server of region global, was client of region global", "names: gained server.global.nomad", "names: lost client.global.nomad",
			"opens: gained RPC of every region", "opens: lost RPC of global", "key: new",
		}, true},
		{"another authority", issue(t, other, pki.Identity{Role: pki.Client}, pki.Defect{}), []string{"issuer: CN=second, was CN=first", "chain: CN=second", "key: new"}, false},
		{"another name", issue(t, a, pki.Identity{Role: pki.Client, DNSNames: []string{"nomad.example"}}, pki.Defect{}), []string{"names: gained nomad.example", "key: new"}, false},
		{"can sign", issue(t, a, pki.Identity{Role: pki.Client}, pki.CanSign()), []string{"key: new", "signing: may sign now", "problem: now wrong"}, true},
		{"a weak key", issue(t, a, pki.Identity{Role: pki.Client}, pki.WeakKey()), []string{"key: RSA 1024, was ECDSA P-256", "problem: now wrong"}, true},
		{"no purpose", issue(t, a, pki.Identity{Role: pki.Client}, pki.NoEKU()), []string{"key: new", "purposes: every purpose, was TLS servers, TLS clients", "problem: now wrong"}, true},
		{"expired", issue(t, a, pki.Identity{Role: pki.Client}, pki.Expired()), []string{"opens: lost HTTPS", "life: sooner", "key: new", "problem: now wrong"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := certificate.Judge([]certificate.Input{decode(t, "old.pem", old.CertPEM)}, trusted)
			after := certificate.Judge([]certificate.Input{decode(t, "new.pem", test.fresh.CertPEM)}, trusted)
			c := certificate.Compare(before, after)
			if len(c.Pairs) != 1 {
				t.Fatalf("%+v", c)
			}
			changes := slices.DeleteFunc(c.Pairs[0].Changes, func(ch certificate.Change) bool { // two are issued in different seconds
				return ch.What == "life" && (strings.HasSuffix(ch.Text, " 0s later") || strings.HasSuffix(ch.Text, " 1s later"))
			})
			for i, want := range test.want {
				what, part, _ := strings.Cut(want, ": ")
				if i >= len(changes) || changes[i].What != what || !strings.Contains(changes[i].Text, part) {
					t.Fatalf("change %d of %+v is not %q", i, changes, want)
				}
			}
			if len(changes) != len(test.want) || c.Worse() != test.worse {
				t.Errorf("%d changes, worse %t: %+v", len(changes), c.Worse(), changes)
			}
			for _, ch := range changes {
				if isWorse := slices.Contains([]string{"signing", "opens"}, ch.What) && !strings.HasPrefix(ch.Text, "lost") || strings.HasPrefix(ch.Text, "now wrong"); ch.Worse != isWorse {
					t.Errorf("%+v: for the worse is %t, want %t", ch, ch.Worse, isWorse)
				}
			}
			if back := certificate.Compare(after, before); test.name == "can sign" && back.Worse() {
				t.Errorf("back again is for the worse: %+v", back)
			}
		})
	}
}

// TestCompareFolders pairs the certificates of two folders by what they are, not by their files, and tells what is gone and new.
func TestCompareFolders(t *testing.T) {
	a, added := authority(t, pki.Options{CommonName: "first"}), authority(t, pki.Options{CommonName: "second"})
	of := func(role pki.Role) []byte { return issue(t, a, pki.Identity{Role: role}, pki.Defect{}).CertPEM }
	judge := func(files map[string][]byte) certificate.Report {
		var all []certificate.Input
		for name, text := range files {
			all = append(all, decode(t, name, text))
		}
		return certificate.Judge(all, certificate.Options{Now: time.Now()})
	}
	before := judge(map[string][]byte{"a/ca.pem": a.CertificatePEM(), "a/server.pem": of(pki.Server), "a/cli.pem": of(pki.CLI)})
	after := judge(map[string][]byte{
		"b/ca.pem": append(a.CertificatePEM(), added.CertificatePEM()...), "b/one.pem": of(pki.Server), "b/client.pem": of(pki.Client),
	})
	got := map[string]string{}
	for _, p := range certificate.Compare(before, after).Pairs {
		text := ""
		for _, c := range p.Changes {
			text += c.What + " "
		}
		got[p.Name+" "+p.Old+" "+p.New] = strings.TrimSpace(strings.ReplaceAll(text, "life ", ""))
	}
	for pair, want := range map[string]string{
		"authority, a root (CN=first) a/ca.pem b/ca.pem": "",
		"authority, a root (CN=second)  b/ca.pem":        "presence",
		"server of region global a/server.pem b/one.pem": "key",
		"cli of region global a/cli.pem ":                "presence",
		"client of region global  b/client.pem":          "presence",
	} {
		if changes, is := got[pair]; !is || changes != want {
			t.Errorf("%q changed %q (%t), want %q", pair, changes, is, want)
		}
	}
	if len(got) != 5 || !certificate.Compare(before, after).Worse() {
		t.Errorf("%q; a further authority must be for the worse", got)
	}
}
