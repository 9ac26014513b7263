package pki_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nomadlab.internal/lab/pki"
)

// An authority that others made may have a key of another kind or in another form.
func TestLoadAuthorityReadsTheKeyFormsThatNomadReads(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		block pem.Block
		want  string
	}{
		{pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}, ""},
		{pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}, ""},
		{pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8[1:]}, "damaged private key"},
		{pem.Block{Type: "EC PRIVATE KEY", Bytes: pkcs8}, "damaged private key"},
	} {
		t.Run(tc.block.Type+" "+tc.want, func(t *testing.T) {
			dir := foreignAuthority(t, key, tc.block)
			authority, err := pki.LoadAuthority(dir, pki.Options{})
			checkError(t, err, tc.want)
			if err != nil {
				return
			}
			cred := issue(t, authority, serverID)
			if got := shake(t, clientTLS(t, cred), strict(t, cred, tls.VersionTLS13)); got != (result{}) {
				t.Errorf("its certificate is refused: %+v", got)
			}
			if err := authority.Save(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := pki.LoadAuthority(dir, pki.Options{}); err != nil {
				t.Errorf("saved again, it cannot be loaded: %v", err)
			}
		})
	}
}

func foreignAuthority(t *testing.T, key crypto.Signer, keyBlock pem.Block) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "made elsewhere"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, pki.CAFile), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(filepath.Join(dir, pki.CAKeyFile), pem.EncodeToMemory(&keyBlock), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
