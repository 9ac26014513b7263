package cfssl_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cfssllog "github.com/cloudflare/cfssl/log"
	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/cfssl"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

const hour = time.Hour

func source(t *testing.T, o cfssl.Options) *cfssl.Source {
	t.Helper()
	s, err := cfssl.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func request(role pki.Role, names ...string) authority.Request {
	r := authority.Request{Identity: pki.Identity{Role: role, DNSNames: names}}
	if role != pki.CLI {
		r.Node = string(role) + "-1"
	}
	return r
}

// issue returns one credential and its certificate.
func issue(t *testing.T, s *cfssl.Source, r authority.Request) (pki.Credential, *x509.Certificate) {
	t.Helper()
	all, err := s.Issue(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("%d credentials for one request", len(all))
	}
	leaf, err := all[0].Leaf()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], leaf
}

// verify verifies the certificate for a name, "" for none, at a time; zero: now.
func verify(t *testing.T, c pki.Credential, name string, at time.Time) error {
	t.Helper()
	leaf, err := c.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	pool, err := c.Pool()
	if err != nil {
		t.Fatal(err)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}

func authorityOf(t *testing.T, c pki.Credential) *x509.Certificate {
	t.Helper()
	all, err := c.Authorities()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("%d authorities", len(all))
	}
	return all[0]
}

// life is how long a certificate lasts.
func life(c *x509.Certificate) time.Duration { return c.NotAfter.Sub(c.NotBefore) }

func texts(c *x509.Certificate) (all []string) {
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

// TestGuide has what the guide's commands make.
func TestGuide(t *testing.T) {
	s := source(t, cfssl.Options{AsPublished: true})
	server, leaf := issue(t, s, request(pki.Server))
	ca := authorityOf(t, server)
	if !ca.IsCA || life(ca) != 43800*hour || ca.Subject.String() != "CN=example.net,L=San Francisco,ST=CA,C=US" || len(ca.DNSNames) > 0 {
		t.Errorf("authority %s of %s, names %q", ca.Subject, life(ca), ca.DNSNames)
	}
	if diff := cmp.Diff([]string{"server.global.nomad", "localhost"}, leaf.DNSNames); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"127.0.0.1"}, texts(leaf)); diff != "" {
		t.Error(diff)
	}
	if leaf.Subject.String() != "" || life(leaf) != 87600*hour {
		t.Errorf("subject %q, life %s", leaf.Subject, life(leaf))
	}
	if leaf.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment ||
		!slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}) {
		t.Errorf("usages %b %v", leaf.KeyUsage, leaf.ExtKeyUsage)
	}
	if err := verify(t, server, "server.global.nomad", time.Time{}); err != nil {
		t.Error(err)
	}

	cli, leaf := issue(t, s, request(pki.CLI, "nomad.example.com"))
	if n := len(leaf.DNSNames) + len(leaf.IPAddresses); n > 0 || leaf.Subject.String() != "" {
		t.Errorf("the user's certificate has %d names and the subject %q, want none", n, leaf.Subject)
	}
	if life(leaf) != 8760*hour {
		t.Errorf("the user's certificate lasts %s: its command names no policy", life(leaf))
	}
	if err := verify(t, cli, "", time.Time{}); err != nil {
		t.Error(err)
	}
}

// TestGuidesCertificatesOutliveTheirAuthority: cfssl does not bind a life to the authority's, and verification fails with the
// authority's end, whatever the certificate itself says.
func TestGuidesCertificatesOutliveTheirAuthority(t *testing.T) {
	c, leaf := issue(t, source(t, cfssl.Options{AsPublished: true}), request(pki.Server))
	end := authorityOf(t, c).NotAfter
	if !leaf.NotAfter.After(end) {
		t.Fatalf("the certificate ends at %s, its authority at %s", leaf.NotAfter, end)
	}
	if err := verify(t, c, "server.global.nomad", end.Add(-hour)); err != nil {
		t.Errorf("before its authority's end: %v", err)
	}
	if err := verify(t, c, "server.global.nomad", end.Add(hour)); err == nil {
		t.Error("the certificate is valid after its authority's end")
	}
	for _, o := range []cfssl.Options{{}, {TTL: hour, LeafTTL: hour}, {TTL: hour, LeafTTL: 20 * time.Minute}} {
		c, leaf := issue(t, source(t, o), request(pki.Server))
		if leaf.NotAfter.After(authorityOf(t, c).NotAfter) {
			t.Errorf("%+v: the certificate outlives its authority", o)
		}
	}
}

// TestGuidesFiles are those of its table, as `cfssljson -bare` writes them, beside its commands.
func TestGuidesFiles(t *testing.T) {
	s := source(t, cfssl.Options{AsPublished: true})
	server, _ := issue(t, s, request(pki.Server))
	issue(t, s, request(pki.Client))
	issue(t, s, request(pki.CLI))
	want := map[string]fs.FileMode{
		"nomad-ca.pem": 0o664, "nomad-ca-key.pem": 0o600, "nomad-ca.csr": 0o644, "cfssl.json": 0o644,
		"server.pem": 0o664, "server-key.pem": 0o600, "server.csr": 0o644,
		"client.pem": 0o664, "client-key.pem": 0o600, "client.csr": 0o644,
		"cli.pem": 0o664, "cli-key.pem": 0o600, "cli.csr": 0o644,
	}
	got := map[string]fs.FileMode{}
	text := map[string][]byte{}
	for _, f := range s.Files() {
		got[f.Name], text[f.Name] = f.Mode, f.Text()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(text["server.pem"], server.CertPEM) || !bytes.Equal(text["server-key.pem"], server.KeyPEM) || !bytes.Equal(text["nomad-ca.pem"], server.CAPEM) {
		t.Error("the files are not what was issued")
	}
	if !strings.Contains(string(text["server.csr"]), "BEGIN CERTIFICATE REQUEST") || !json.Valid(text["cfssl.json"]) {
		t.Error("the request or the policy is none")
	}
	again, _ := issue(t, s, request(pki.Server))
	if i := slices.IndexFunc(s.Files(), func(f cfssl.File) bool { return f.Name == "server.pem" }); !bytes.Equal(s.Files()[i].Text(), again.CertPEM) || len(s.Files()) != len(want) {
		t.Error("a later certificate does not replace the earlier one")
	}
	commands := []string{
		"cfssl print-defaults csr | cfssl gencert -initca - | cfssljson -bare nomad-ca",
		`echo '{}' | cfssl gencert -ca=nomad-ca.pem -ca-key=nomad-ca-key.pem -config=cfssl.json -hostname="server.global.nomad,localhost,127.0.0.1" - | cfssljson -bare server`,
		`echo '{}' | cfssl gencert -ca=nomad-ca.pem -ca-key=nomad-ca-key.pem -config=cfssl.json -hostname="client.global.nomad,localhost,127.0.0.1" - | cfssljson -bare client`,
		`echo '{}' | cfssl gencert -ca=nomad-ca.pem -ca-key=nomad-ca-key.pem -profile=client - | cfssljson -bare cli`,
	}
	if diff := cmp.Diff(commands, s.Commands()[:4]); diff != "" {
		t.Error(diff)
	}
}

// TestSafe: the life is the wanted one, and every certificate has names.
func TestSafe(t *testing.T) {
	s := source(t, cfssl.Options{CommonName: "lab a", LeafTTL: 20 * time.Minute, TTL: 48 * hour})
	r := authority.Request{Node: "server-1", Identity: pki.Identity{
		Role: pki.Server, Region: "eu", DNSNames: []string{"server-1", "LOCALHOST"},
		IPs: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::ffff:10.1.2.3")},
	}}
	began := time.Now()
	c, leaf := issue(t, s, r)
	if diff := cmp.Diff([]string{"server.eu.nomad", "localhost", "server-1"}, leaf.DNSNames); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"127.0.0.1", "10.1.2.3"}, texts(leaf)); diff != "" {
		t.Error(diff)
	}
	if left := leaf.NotAfter.Sub(began); left < 20*time.Minute-time.Second || left > 21*time.Minute {
		t.Errorf("a certificate of 20 minutes has %s left", left)
	}
	if ca := authorityOf(t, c); ca.Subject.CommonName != "lab a" || ca.MaxPathLen != 1 || ca.NotAfter.Sub(began) < 48*hour-time.Second || life(ca) > 49*hour {
		t.Errorf("authority %s, path length %d, until %s", ca.Subject, ca.MaxPathLen, ca.NotAfter)
	}
	if leaf.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("usages %b", leaf.KeyUsage)
	}
	cli, leaf := issue(t, s, request(pki.CLI))
	if err := verify(t, cli, "cli.global.nomad", time.Time{}); err != nil || len(leaf.IPAddresses) > 0 {
		t.Errorf("the user's certificate: %v, addresses %v", err, leaf.IPAddresses)
	}
	rsaRequest := request(pki.Client)
	rsaRequest.RSA = true
	if _, leaf := issue(t, s, rsaRequest); leaf.PublicKeyAlgorithm != x509.RSA {
		t.Errorf("key %s", leaf.PublicKeyAlgorithm)
	} else if key, ok := leaf.PublicKey.(*rsa.PublicKey); !ok || key.N.BitLen() != 2048 {
		t.Error("the RSA key has not 2048 bits")
	}
	if last := s.Commands()[3]; !strings.Contains(last, `'{"key": {"algo": "rsa", "size": 2048}}'`) {
		t.Error(last)
	}
}

// TestSigner: what the signer issues leads to the same authority, and with a defect it does not pass.
func TestSigner(t *testing.T) {
	for _, o := range []cfssl.Options{{}, {AsPublished: true}} {
		s := source(t, o)
		c, _ := issue(t, s, request(pki.Server))
		for _, defect := range []pki.Defect{{}, pki.Foreign(), pki.IntermediateMissing()} {
			other, err := s.Signer().IssueDefective(pki.Identity{Role: pki.Server}, defect)
			if err != nil {
				t.Fatal(err)
			}
			other.CAPEM = c.CAPEM
			if err := verify(t, other, "server.global.nomad", time.Time{}); (err == nil) != (defect == pki.Defect{}) {
				t.Errorf("%+v: defect %s: %v", o, defect, err)
			}
		}
	}
}

// TestLoad: a source goes on with the authority of an earlier one.
func TestLoad(t *testing.T) {
	first := source(t, cfssl.Options{})
	c, _ := issue(t, first, request(pki.Server))
	key := func(s *cfssl.Source) []byte {
		dir := t.TempDir()
		if err := s.Signer().Save(dir); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, pki.CAKeyFile))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	again, err := cfssl.Load(cfssl.Options{}, c.CAPEM, key(first))
	if err != nil {
		t.Fatal(err)
	}
	renewed, _ := issue(t, again, request(pki.Server))
	renewed.CAPEM = c.CAPEM
	if err := verify(t, renewed, "server.global.nomad", time.Time{}); err != nil {
		t.Error(err)
	}
	// An authority that ends before the certificates would.
	short := source(t, cfssl.Options{TTL: hour, LeafTTL: hour})
	c, _ = issue(t, short, request(pki.Server))
	last, err := cfssl.Load(cfssl.Options{}, c.CAPEM, key(short))
	if err != nil {
		t.Fatal(err)
	}
	if c, leaf := issue(t, last, request(pki.Server)); !leaf.NotAfter.Equal(authorityOf(t, c).NotAfter) {
		t.Errorf("a certificate ends at %s, its authority at %s", leaf.NotAfter, authorityOf(t, c).NotAfter)
	}
	if _, err := cfssl.Load(cfssl.Options{}, c.CAPEM, key(source(t, cfssl.Options{}))); err == nil {
		t.Error("an authority is loaded with another one's key")
	}
}

// TestRefusals has each mistake beside the same with the mistake put right.
func TestRefusals(t *testing.T) {
	tests := []struct {
		name           string
		wrong, right   cfssl.Options
		asked, instead authority.Request
		says           string
	}{
		{name: "a life beside AsPublished", wrong: cfssl.Options{AsPublished: true, LeafTTL: hour}, right: cfssl.Options{LeafTTL: hour}, says: "the guide has its own"},
		{name: "longer than the authority", wrong: cfssl.Options{TTL: hour, LeafTTL: 2 * hour}, right: cfssl.Options{TTL: 2 * hour, LeafTTL: 2 * hour}, says: "certificates of 2h0m0s from an authority of 1h0m0s"},
		{name: "negative", wrong: cfssl.Options{LeafTTL: -hour}, says: "at least a minute and a second"},
		{name: "an authority of seconds", wrong: cfssl.Options{TTL: 59 * time.Second, LeafTTL: time.Second}, right: cfssl.Options{TTL: time.Minute, LeafTTL: time.Second}, says: "at least a minute and a second"},
		{name: "no role", asked: authority.Request{Node: "server-1", Identity: pki.Identity{Role: "admin"}}, says: `certificate of server-1: invalid input: role "admin"`},
		{name: "no DNS name", asked: request(pki.Server, "a b"), instead: request(pki.Server, "a.b"), says: `DNS name "a b"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			try := func(o cfssl.Options, r authority.Request) error {
				if r.Identity.Role == "" {
					r = request(pki.Server)
				}
				s, err := cfssl.New(o)
				if err != nil {
					return err
				}
				_, err = s.Issue(t.Context(), r)
				return err
			}
			if err := try(test.wrong, test.asked); !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v, want an error that wraps ErrInvalid and says %q", err, test.says)
			}
			if err := try(test.right, test.instead); err != nil {
				t.Errorf("put right: %v", err)
			}
		})
	}
}

// TestIssueFromManyGoroutines is of use under the race detector.
func TestIssueFromManyGoroutines(t *testing.T) {
	var all sync.WaitGroup
	shared := source(t, cfssl.Options{})
	for range 4 {
		all.Go(func() {
			own, err := cfssl.New(cfssl.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			for _, s := range []*cfssl.Source{shared, own} {
				if _, err := s.Issue(t.Context(), request(pki.Server), request(pki.CLI)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got := len(shared.Commands()); got != 9 {
		t.Errorf("%d commands, want 9", got)
	}
}

// TestNothingIsLogged: cfssl itself writes each certificate's serial number to the standard logger.
func TestNothingIsLogged(t *testing.T) {
	var seen bytes.Buffer
	log.SetOutput(&seen)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	s := source(t, cfssl.Options{})
	issue(t, s, request(pki.Server))
	if seen.Len() > 0 {
		t.Errorf("logged: %s", seen.String())
	}
	level := cfssllog.Level
	cfssllog.Level = cfssllog.LevelInfo
	t.Cleanup(func() { cfssllog.Level = level })
	if issue(t, s, request(pki.Server)); !strings.Contains(seen.String(), "signed certificate") {
		t.Errorf("the control: with cfssl's own level, %q is logged", seen.String())
	}
}

// TestSourcePrintsNoKey prints a source and its files in every form that a log could take.
func TestSourcePrintsNoKey(t *testing.T) {
	s := source(t, cfssl.Options{})
	c, _ := issue(t, s, request(pki.Server))
	var keys [][]byte
	for _, f := range s.Files() {
		if strings.HasSuffix(f.Name, "-key.pem") {
			keys = append(keys, f.Text())
		}
	}
	if len(keys) != 2 {
		t.Fatalf("%d keys", len(keys))
	}
	printed := strings.Join(s.Commands(), "\n")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		printed += fmt.Sprintf(verb, s) + fmt.Sprintf(verb, s.Files()) + fmt.Sprintf(verb, s.Files()[1])
	}
	shows := func(text string, key []byte) bool {
		line := bytes.Split(key, []byte("\n"))[1][:20]
		return strings.Contains(text, string(line)) || strings.Contains(text, fmt.Sprintf("%x", line)) || strings.Contains(text, strings.Trim(fmt.Sprint(line), "[]"))
	}
	for _, key := range keys {
		if shows(printed, key) {
			t.Error("a key shows")
		}
	}
	if !shows(fmt.Sprint(&struct{ key []byte }{c.KeyPEM}), c.KeyPEM) {
		t.Error("the control: a key that is printed is not seen")
	}
}
