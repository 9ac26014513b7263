package pki_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"nomadlab.internal/lab/pki"
)

// traces are the forms in which a key could show.
func traces(t *testing.T, cred pki.Credential) map[string]string {
	t.Helper()
	cert, err := cred.TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	key, ok := cert.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("key of type %T", cert.PrivateKey)
	}
	secret, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	pemLine := strings.Split(string(cred.KeyPEM), "\n")[1]
	number := key.D //nolint:staticcheck // the number is what must not show
	return map[string]string{
		"PEM":              pemLine,
		"PEM in base64":    base64.StdEncoding.EncodeToString(cred.KeyPEM)[:40],
		"PEM in hex":       hex.EncodeToString([]byte(pemLine)[:20]),
		"PEM in decimal":   strings.Trim(fmt.Sprint([]byte(pemLine)[:20]), "[]"),
		"PEM in octal":     strings.Trim(fmt.Sprintf("%o", []byte(pemLine)[:20]), "[]"),
		"PEM in binary":    strings.Trim(fmt.Sprintf("%b", []byte(pemLine)[:20]), "[]"),
		"PEM in Go syntax": strings.TrimSuffix(strings.SplitN(fmt.Sprintf("%#v", []byte(pemLine)[:20]), "{", 2)[1], "}"),
		"number":           number.String(),
		"number in hex":    hex.EncodeToString(secret),
		"number in bytes":  strings.Trim(fmt.Sprint(secret), "[]"),
	}
}

// printed is a credential in every form that a log, an error or a report could take.
func printed(t *testing.T, cred pki.Credential) map[string]string {
	t.Helper()
	type holder struct{ Cred pki.Credential }
	forms := map[string]string{"Describe": cred.Describe()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U", "%-90v|"} {
		for name, value := range map[string]any{"value": cred, "pointer": &cred, "slice": []pki.Credential{cred}, "field": holder{cred}} {
			forms[verb+" of "+name] = fmt.Sprintf(verb, value)
		}
	}
	encode := func(name string, text []byte, err error) {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		forms[name] = string(text)
	}
	text, err := json.Marshal(map[string]any{"value": cred, "pointer": &cred, "field": holder{cred}})
	encode("json", text, err)
	text, err = xml.Marshal(holder{cred})
	encode("xml", text, err)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cred", cred, "in", holder{cred})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "cred", cred, "in", holder{cred})
	forms["slog"] = log.String()
	return forms
}

func TestKeyNeverShows(t *testing.T) {
	cred := issue(t, newAuthority(t, pki.Options{}), serverID)
	forms, needles := printed(t, cred), traces(t, cred)
	for form, text := range forms {
		for name, trace := range needles {
			if strings.Contains(strings.ToLower(text), strings.ToLower(trace)) {
				t.Errorf("%s shows the key as %s", form, name)
			}
		}
	}
	// The controls: the traces are those that would show, and what prints still
	// says whose credential it is.
	bare := fmt.Sprintf("%s %x %d %o %b %#v", cred.KeyPEM, cred.KeyPEM, cred.KeyPEM, cred.KeyPEM, cred.KeyPEM, cred.KeyPEM)
	for _, name := range []string{"PEM", "PEM in hex", "PEM in decimal", "PEM in octal", "PEM in binary", "PEM in Go syntax"} {
		if !strings.Contains(bare, needles[name]) {
			t.Errorf("the trace %s would not be found in a bare key", name)
		}
	}
	for _, form := range []string{"%v of value", "%+v of pointer", "%#v of field", "%d of slice", "json", "xml", "slog", "Describe"} {
		if !strings.Contains(forms[form], "server.global.nomad") && !strings.Contains(forms[form], `"Role":"server"`) {
			t.Errorf("%s does not name the holder: %s", form, forms[form])
		}
	}
}

func TestAuthorityKeyNeverShows(t *testing.T) {
	dir := t.TempDir()
	authority := newAuthority(t, pki.Options{})
	if err := authority.Save(dir); err != nil {
		t.Fatal(err)
	}
	cred := pki.Credential{CertPEM: authority.CertificatePEM(), KeyPEM: readFile(t, dir, pki.CAKeyFile)}
	for name, trace := range traces(t, cred) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			if strings.Contains(fmt.Sprintf(verb, authority), trace) || strings.Contains(fmt.Sprintf(verb, *authority), trace) {
				t.Errorf("%s shows the authority's key as %s", verb, name)
			}
		}
	}
}

func TestMarshalJSONWritesThePublicParts(t *testing.T) {
	cred := issue(t, newAuthority(t, pki.Options{}), serverID)
	text, err := json.Marshal(cred)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Identity        pki.Identity
		Certificate, CA string
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Identity.Role != pki.Server || got.Certificate != string(cred.CertPEM) || got.CA != string(cred.CAPEM) {
		t.Errorf("got %+v", got)
	}
}
