package folder_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"nomadlab.internal/lab/pki"
)

// rawFiles is a folder whose authority is as change makes it. Package pki issues nothing below an authority that does not permit
// it; other programs do.
func rawFiles(t *testing.T, change func(ca *x509.Certificate)) layout {
	t.Helper()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Raw CA"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	change(ca)
	caKey := newKey(t)
	files := layout{caCert: sign(t, ca, ca, caKey, caKey)}
	for at, id := range []pki.Identity{serverID, clientID, cliID} {
		key := newKey(t)
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(int64(at) + 2), Subject: pkix.Name{CommonName: id.Name()}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			BasicConstraintsValid: true, DNSNames: []string{id.Name(), "localhost"}, IPAddresses: []net.IP{{127, 0, 0, 1}},
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		files[id.CertFile()], files[id.KeyFile()] = sign(t, leaf, ca, key, caKey), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	}
	return files
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign returns a certificate in PEM.
func sign(t *testing.T, template, parent *x509.Certificate, of, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, of.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestAuthorityThatDoesNotPermit: certificates that their authority may not sign, or no longer, are refused with its name. The
// control is an authority with nothing of that.
func TestAuthorityThatDoesNotPermit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(ca *x509.Certificate)
		says   []string
	}{
		"sound": {func(*x509.Certificate) {}, nil},
		"constraints that permit Nomad's names": {func(ca *x509.Certificate) {
			ca.PermittedDNSDomainsCritical, ca.PermittedDNSDomains = true, []string{"nomad", "localhost"}
		}, nil},
		"constraints that forbid Nomad's names": {func(ca *x509.Certificate) {
			ca.PermittedDNSDomainsCritical, ca.PermittedDNSDomains = true, []string{"lab.test", "localhost"}
		}, []string{"ROOT/" + serverCert, "ROOT/" + clientCert, "ROOT/" + cliCert, "the name constraints of CN=Raw CA forbid one of its names", "server.global.nomad", "permit the domain nomad"}},
		"constraints that exclude them": {func(ca *x509.Certificate) { ca.ExcludedDNSDomains = []string{"global.nomad"} }, []string{"the name constraints of CN=Raw CA forbid"}},
		"constraints that forbid their addresses": {func(ca *x509.Certificate) {
			ca.ExcludedIPRanges = []*net.IPNet{{IP: net.IP{127, 0, 0, 0}, Mask: net.CIDRMask(8, 32)}}
		}, []string{"the name constraints of CN=Raw CA forbid", "127.0.0.1"}},
		"ended":         {func(ca *x509.Certificate) { ca.NotAfter = time.Now().Add(-time.Minute) }, []string{"ROOT/" + caCert + " is not accepted by its peers: CN=Raw CA is valid from", "have a new one issued"}},
		"not yet valid": {func(ca *x509.Certificate) { ca.NotBefore = time.Now().Add(time.Hour) }, []string{"ROOT/" + caCert, "CN=Raw CA is valid from"}},
		"for other purposes": {func(ca *x509.Certificate) { ca.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} },
			[]string{"ROOT/" + serverCert, "extended key usage"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := rawFiles(t, test.change).write(t)
			_, got, err := read(t, root, requests()...)
			if test.says == nil {
				if err != nil {
					t.Fatalf("it is refused: %v", err)
				}
				connectAll(t, got)
				return
			}
			refused(t, err, replaced(test.says, root)...)
		})
	}
}
