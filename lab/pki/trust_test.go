package pki_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/pki"
)

// signed is a certificate and its key.
type signed struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// certify makes a certificate of that subject (DER), signed by parent; nil: by itself.
func certify(t *testing.T, subject []byte, isCA bool, parent *signed) signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), RawSubject: subject, BasicConstraintsValid: true, IsCA: isCA,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	by := &signed{template, key}
	if parent != nil {
		by = parent
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signed{cert, key}
}

// name is a distinguished name (DER) with its parts in the order given, each "type=value".
func name(t *testing.T, parts ...string) []byte {
	t.Helper()
	types := map[string]asn1.ObjectIdentifier{
		"CN": {2, 5, 4, 3}, "O": {2, 5, 4, 10}, "C": {2, 5, 4, 6}, "ST": {2, 5, 4, 8},
		"DC": {0, 9, 2342, 19200300, 100, 1, 25}, "emailAddress": {1, 2, 840, 113549, 1, 9, 1},
	}
	var sequence pkix.RDNSequence
	for _, part := range parts {
		kind, value, _ := strings.Cut(part, "=")
		sequence = append(sequence, pkix.RelativeDistinguishedNameSET{{Type: types[kind], Value: value}})
	}
	der, err := asn1.Marshal(sequence)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func inPEM(certs ...*x509.Certificate) []byte {
	var text []byte
	for _, c := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

// TestWhereCertificatesLead: names are what the bytes say, in whatever order, and a name alone is no authority.
func TestWhereCertificatesLead(t *testing.T) {
	for _, subject := range [][]byte{
		name(t, "CN=Own CA", "O=Example", "C=SE"), name(t, "DC=example", "DC=corp", "CN=Own CA"),
		name(t, "emailAddress=ca@example.com", "CN=Own CA"), name(t, "C=SE", "ST=Skane", "CN=Own CA"),
	} {
		own := certify(t, subject, true, nil)
		between := certify(t, name(t, "CN=Between", "O=Example"), true, &own)
		leaf, deep := certify(t, name(t, "CN=server.global.nomad"), false, &own), certify(t, name(t, "CN=client.global.nomad"), false, &between)
		other, namesake := certify(t, name(t, "CN=Other CA"), true, nil), certify(t, subject, true, nil)
		bundle := []*x509.Certificate{own.cert, other.cert, namesake.cert, between.cert}
		for title, test := range map[string]struct {
			leaf  *x509.Certificate
			chain []*x509.Certificate
			in    []*x509.Certificate
			want  []*x509.Certificate
		}{
			"signed by it":                     {leaf.cert, nil, bundle, []*x509.Certificate{own.cert}},
			"by one below it, in the bundle":   {deep.cert, nil, bundle, []*x509.Certificate{own.cert, between.cert}},
			"by one below it that is sent":     {deep.cert, []*x509.Certificate{between.cert}, bundle[:3], []*x509.Certificate{own.cert}},
			"by one below it that is not sent": {deep.cert, nil, bundle[:3], nil},
			"by none":                          {leaf.cert, nil, bundle[1:3], nil},
			"itself":                           {leaf.cert, nil, []*x509.Certificate{leaf.cert}, []*x509.Certificate{leaf.cert}},
		} {
			got := pki.LeadsTo(test.leaf, test.chain, test.in)
			if !slices.EqualFunc(got, test.want, (*x509.Certificate).Equal) {
				t.Errorf("%s, %s: leads to %d, want %d", pki.NameText(subject), title, len(got), len(test.want))
			}
		}
		anchors, strange, err := pki.Anchors(
			pki.Credential{CertPEM: inPEM(leaf.cert), CAPEM: inPEM(own.cert, other.cert)},
			pki.Credential{CertPEM: inPEM(deep.cert, between.cert), CAPEM: inPEM(namesake.cert, own.cert)},
		)
		if err != nil || !slices.EqualFunc(anchors, []*x509.Certificate{own.cert}, (*x509.Certificate).Equal) ||
			!slices.EqualFunc(strange, []*x509.Certificate{other.cert, namesake.cert}, (*x509.Certificate).Equal) {
			t.Errorf("%s: %d anchors, %d strange, %v", pki.NameText(subject), len(anchors), len(strange), err)
		}
	}
}

// TestNameText keeps the order in which a name stands.
func TestNameText(t *testing.T) {
	if got := pki.NameText(name(t, "CN=Own CA", "O=Example", "C=SE")); got != "C=SE,O=Example,CN=Own CA" {
		t.Errorf("it is %q", got) // RFC 2253 begins at the end
	}
	if got := pki.NameText([]byte("hello")); !strings.Contains(got, "cannot be read") {
		t.Errorf("what is no name is %q", got)
	}
}

// TestOneFile: a certificate and its key in one file are read as crypto/tls does, and the key is shown nowhere.
func TestOneFile(t *testing.T) {
	c := issue(t, newAuthority(t, pki.Options{}), serverID)
	for title, text := range map[string][]byte{
		"certificate first": slices.Concat(c.CertPEM, c.KeyPEM), "key first": slices.Concat(c.KeyPEM, c.CertPEM),
	} {
		one := pki.Credential{Identity: serverID, CertPEM: text, KeyPEM: text, CAPEM: c.CAPEM}
		if leaf, err := one.Leaf(); err != nil || leaf.Subject.CommonName != serverID.Name() {
			t.Errorf("%s: %v", title, err)
		}
		if _, err := one.TLSCertificate(); err != nil {
			t.Errorf("%s: %v", title, err)
		}
		shown, err := one.MarshalJSON()
		if err != nil || strings.Contains(string(shown), "PRIVATE") || !strings.Contains(string(shown), "BEGIN CERTIFICATE") {
			t.Errorf("%s: it is shown as %s, %v", title, shown, err)
		}
	}
}
