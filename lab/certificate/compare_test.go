package certificate_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

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

// TestCompareFiles: what changes in the files beside the certificates is a change too. Files that stay as they are, are the control.
func TestCompareFiles(t *testing.T) {
	a := capable(t)
	c, other := issue(t, a, pki.Identity{Role: pki.Server}, pki.Defect{}), issue(t, a, pki.Identity{Role: pki.Server}, pki.Defect{})
	below := issue(t, a, pki.Identity{Role: pki.Server}, pki.IntermediateSent())
	leaf, _, _ := bytes.Cut(below.CertPEM, []byte("-----END CERTIFICATE-----\n"))
	leaf = append(leaf, "-----END CERTIFICATE-----\n"...)
	readable := func(i certificate.Input) certificate.Input { i.Mode = 0o644; return i }
	pair := func(cert, key []byte) []certificate.Input {
		return []certificate.Input{decode(t, "server.pem", cert), decode(t, "server-key.pem", key)}
	}
	sound := pair(c.CertPEM, c.KeyPEM)
	for _, test := range []struct {
		name       string
		old, fresh []certificate.Input
		want       string // "" for no change
		worse      bool
	}{
		{"nothing", sound, pair(c.CertPEM, c.KeyPEM), "", false},
		{"another key", sound, pair(c.CertPEM, other.KeyPEM), "problem: now wrong: it is not the key of", true},
		{"a key for everybody", sound, []certificate.Input{sound[0], readable(sound[1])}, "problem: now wrong: every user", true},
		{"mended", []certificate.Input{sound[0], readable(sound[1])}, sound, "problem: no longer wrong", false},
		{"key first", sound, pair(slices.Concat(c.KeyPEM, c.CertPEM), c.KeyPEM), "problem: now wrong: the private key stands before", true},
		{"leaf last", sound, pair(slices.Concat(a.CertificatePEM(), c.CertPEM), c.KeyPEM), "problem: now wrong: an authority stands before", true},
		{"a key beside", sound, append(slices.Clone(sound), decode(t, "other-key.pem", other.KeyPEM)), "key: holds a private key more", true},
		{"the intermediate is lost", pair(below.CertPEM, below.KeyPEM), pair(leaf, below.KeyPEM), "chain: ", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := certificate.Options{Now: time.Now()}
			c := certificate.Compare(certificate.Judge(test.old, o), certificate.Judge(test.fresh, o))
			var said []string
			for _, p := range c.Pairs {
				for _, change := range p.Changes {
					said = append(said, change.What+": "+change.Text)
				}
			}
			all := strings.Join(said, "\n")
			if c.Worse() != test.worse || (all == "") != (test.want == "") || !strings.Contains(all, test.want) {
				t.Errorf("worse %t, said %q, want %q", c.Worse(), said, test.want)
			}
		})
	}
}

// TestCompareConstraints: an authority that loses its constraints may sign more than before.
func TestCompareConstraints(t *testing.T) {
	wide := authority(t, pki.Options{CommonName: "one"})
	narrow := authority(t, pki.Options{CommonName: "one", PermittedDNS: []string{"example.com"}})
	at := func(a *pki.Authority) certificate.Report {
		return certificate.Judge([]certificate.Input{decode(t, "ca.pem", a.CertificatePEM())}, certificate.Options{Now: time.Now()})
	}
	if c := certificate.Compare(at(narrow), at(wide)); !c.Worse() {
		t.Errorf("constraints were lost: %+v", c)
	}
	if c := certificate.Compare(at(wide), at(narrow)); c.Worse() {
		t.Errorf("constraints were added: %+v", c)
	}
}

// TestNothingControlsATerminal: names in certificates and of files can hold what a terminal obeys, or a line of their own.
func TestNothingControlsATerminal(t *testing.T) {
	const evil = "\x1b[31mserver\n.global"
	a := authority(t, pki.Options{CommonName: "unconstrained"})
	c := named(t, a, evil, "server."+evil+".nomad", "client.\x1b]0;x\a.nomad")
	i := decode(t, "it\x1b[5m\nfake.pem", slices.Concat(c.KeyPEM, c.CertPEM))
	i.Mode = 0o666
	text := fmt.Sprintf("%+v", certificate.Judge([]certificate.Input{i}, certificate.Options{Now: time.Now()}))
	for _, r := range text {
		if !unicode.IsPrint(r) {
			t.Fatalf("it holds %q: %q", r, text)
		}
	}
	if !strings.Contains(text, "chmod 600") || !strings.Contains(text, "server.") {
		t.Errorf("nothing was said: %s", text)
	}
}

// TestPathsInRemediesAreQuoted: a remedy is pasted into a shell.
func TestPathsInRemediesAreQuoted(t *testing.T) {
	a := capable(t)
	i := decode(t, "x'; echo PWNED; '.pem", issue(t, a, pki.Identity{Role: pki.Server}, pki.Defect{}).KeyPEM)
	i.Mode = 0o644
	r := certificate.Judge([]certificate.Input{i}, certificate.Options{Now: time.Now()})
	if text := fmt.Sprint(r.Places[0].Problems); !strings.Contains(text, `chmod 600 'x'\''; echo PWNED; '\''.pem'`) {
		t.Error(text)
	}
}
