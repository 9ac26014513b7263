package regress_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/regress"
)

// TestTLSBeforeStart: the error names the file that keeps agents from starting or from each other, before anything starts. What
// does not keep them is accepted.
func TestTLSBeforeStart(t *testing.T) {
	t.Parallel()
	server, client := pki.Identity{Role: pki.Server}, pki.Identity{Role: pki.Client}
	const verify = "tls { verify_server_hostname = true }\n"
	for name, test := range map[string]struct {
		change         func(*tlsFiles)
		servers, every string
		says           []string
	}{
		"sound":          {change: func(*tlsFiles) {}, every: verify},
		"one more above": {change: func(k *tlsFiles) { k.put("server", k.issue(server, pki.IntermediateSent())) }, every: verify},
		"an unknown issuer": {
			change: func(k *tlsFiles) { k.put("server", k.issue(server, pki.IntermediateMissing())) },
			says:   []string{"server.pem", "its issuer CN=Intermediate CA is missing", "ca.pem"},
		},
		"an authority that is signed with SHA-1": {
			change: func(k *tlsFiles) { k.putUnder(x509.ECDSAWithSHA1) },
			says:   []string{"server.pem", "CN=Old CA is signed with ECDSA-SHA-1", "CN=Root CA", "SHA-256"},
		},
		"an authority that is signed with SHA-256": {change: func(k *tlsFiles) { k.putUnder(x509.ECDSAWithSHA256) }},
		"a key under a passphrase": {
			change: func(k *tlsFiles) {
				k.files["server-key.pem"] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
			},
			says: []string{"server-key.pem cannot be used: it is a private key under a passphrase", "openssl pkey -in"},
		},
		"PKCS#12": {
			change: func(k *tlsFiles) {
				k.files["client.pem"] = "\x30\x82\x04\x00\x02\x01\x03\x30\x82\x03\xc6\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"
			},
			says: []string{"client.pem cannot be used: it is a PKCS#12 file", "openssl pkcs12 -in"},
		},
		"a foreign client": {
			change: func(k *tlsFiles) { k.put("client", k.issue(client, pki.Foreign())) },
			says:   []string{"a server does not accept the certificate of a client", "client.pem", "issuer CN=Foreign CA is missing"},
		},
		"expired": {
			change: func(k *tlsFiles) { k.put("server", k.issue(server, pki.Expired())) }, says: []string{"server.pem", "is valid from", "have a new one issued"},
		},
		"for clients alone": {
			change: func(k *tlsFiles) { k.put("server", k.issue(server, pki.ClientAuthOnly())) }, says: []string{"server.pem", "extended key usage"},
		},
		"for no purpose in particular": {change: func(k *tlsFiles) { k.put("server", k.issue(server, pki.NoEKU())) }},
		"a client's on servers": {
			change: func(k *tlsFiles) { k.put("server", k.issue(client, pki.Defect{})) }, every: verify,
			says: []string{"server.pem", "client.global.nomad", "server.global.nomad"},
		},
		"a client's on servers, where no server asks": {change: func(k *tlsFiles) { k.put("server", k.issue(client, pki.Defect{})) }},
		"a server's on clients":                       {change: func(k *tlsFiles) { k.put("client", k.issue(server, pki.Defect{})) }, every: verify},
		"a person's that names a server in capitals, on clients": {
			change: func(k *tlsFiles) {
				k.put("client", k.issue(pki.Identity{Role: pki.CLI, DNSNames: []string{"SERVER.global.nomad"}}, pki.Defect{}))
			}, every: verify, says: []string{"client.pem", "SERVER.global.nomad", "client.global.nomad"},
		},
		"a person's that names a server, on clients": {
			change: func(k *tlsFiles) {
				k.put("client", k.issue(pki.Identity{Role: pki.CLI, DNSNames: []string{"server.global.nomad"}}, pki.Defect{}))
			}, every: verify,
		},
		"a person's on clients": {
			change: func(k *tlsFiles) { k.put("client", k.issue(pki.Identity{Role: pki.CLI}, pki.Defect{})) }, every: verify,
			says: []string{"client.pem", "cli.global.nomad", "client.global.nomad"},
		},
		"defective, and alone": {
			change: func(k *tlsFiles) {
				k.put("server", k.issue(server, pki.IntermediateMissing()))
				delete(k.files, "client.pem")
			},
			servers: "server { bootstrap_expect = 1 }\n",
		},
		"suites for another key": {
			change: func(*tlsFiles) {}, servers: "tls { tls_cipher_suites = \"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\" }\n",
			says: []string{"tls.tls_cipher_suites", "servers.hcl:1", "server.pem", "ECDSA"},
		},
		"a key that Nomad does not know": {
			change: func(k *tlsFiles) { k.put("server", k.issue(server, pki.Ed25519())) }, says: []string{"server.pem", "Ed25519", "RSA and ECDSA alone"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := pki.NewAuthority(pki.Options{CommonName: "Own CA", Intermediates: 1, TTL: 60 * 24 * time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			k := &tlsFiles{t: t, authority: a, files: map[string]string{}}
			k.put("server", k.issue(server, pki.Defect{}))
			k.put("client", k.issue(client, pki.Defect{}))
			test.change(k)
			config := bothRoles()
			// In files of their own: Nomad refuses a block such as tls that stands twice in one.
			config["servers.hcl"], config["every.hcl"] = test.servers, test.every
			folder := written(t, config)
			in := func(name string) string { return filepath.Join(folder, name) }
			paths := regress.Paths{Server: []string{in("server.hcl"), in("servers.hcl"), in("every.hcl")}, TLS: written(t, k.files)}
			if k.files["client.pem"] != "" {
				paths.Client = []string{in("client.hcl"), in("every.hcl")}
			}
			_, err = regress.Read(paths)
			if test.says != nil {
				refused(t, err, test.says...)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTLSWithoutAFile: settings that need a file that none names, with certificates of the lab or of the user.
func TestTLSWithoutAFile(t *testing.T) {
	for name, test := range map[string]struct {
		change []string
		says   []string
	}{
		"sound":                      {},
		"no authorities":             {change: []string{"ca_file", "# ca_file"}, says: []string{"tls.rpc = true", "s.hcl:4", "needs tls.ca_file"}},
		"no key":                     {change: []string{"key_file", "# key_file"}, says: []string{"needs tls.key_file"}},
		"no authorities, HTTP alone": {change: []string{"ca_file", "# ca_file", "rpc       = true", ""}},
		"no authorities, and HTTP asks for them": {
			change: []string{"ca_file", "verify_https_client = true #", "rpc       = true", ""}, says: []string{"tls.verify_https_client = true", "s.hcl:5", "needs tls.ca_file"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.NewReplacer(test.change...).Replace(bothRoles()["server.hcl"])
			_, err := regress.Read(regress.Paths{Server: []string{filepath.Join(written(t, map[string]string{"s.hcl": text}), "s.hcl")}})
			if test.says != nil {
				refused(t, err, test.says...)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// putUnder writes a server's and a client's files, whose certificates are of an authority that is signed by that algorithm, below
// one that signs itself.
func (k *tlsFiles) putUnder(algorithm x509.SignatureAlgorithm) {
	k.t.Helper()
	sign := func(c, parent *x509.Certificate, by *ecdsa.PrivateKey) (text string, key *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			k.t.Fatal(err)
		}
		if by == nil {
			by = key
		}
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(60*24*time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
		if err != nil {
			k.t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), key
	}
	authority := func(name string, algorithm x509.SignatureAlgorithm) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(int64(len(name))), Subject: pkix.Name{CommonName: name}, SignatureAlgorithm: algorithm,
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
	}
	root, old := authority("Root CA", x509.ECDSAWithSHA256), authority("Old CA", algorithm)
	rootPEM, rootKey := sign(root, root, nil)
	oldPEM, oldKey := sign(old, root, rootKey)
	k.files = map[string]string{"ca.pem": rootPEM}
	for i, role := range []string{"server", "client"} {
		leafPEM, key := sign(&x509.Certificate{
			SerialNumber: big.NewInt(int64(i) + 100), Subject: pkix.Name{CommonName: role + ".global.nomad"}, DNSNames: []string{role + ".global.nomad"},
		}, old, oldKey)
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			k.t.Fatal(err)
		}
		k.files[role+".pem"] = leafPEM + oldPEM
		k.files[role+"-key.pem"] = string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	}
}
