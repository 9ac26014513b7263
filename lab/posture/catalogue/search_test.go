package catalogue_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// TestASearchOfABadAnswerFails: an answer of another form, or with another name for what is searched, does not count
// as absent.
func TestASearchOfABadAnswerFails(t *testing.T) {
	for name, search := range catalogue.Searches() {
		for _, body := range []string{"", "<html>", `"a text"`, "[1]"} {
			if there, saw, err := search(nil, []byte(body)); err == nil {
				t.Errorf("%s in %q: %t, %s", name, body, there, saw)
			}
		}
		if name == "metrics" || name == "drivers" || name == "raw_exec" {
			continue // of no metric and of no client, none is one that is looked for
		}
		for _, body := range []string{"{}", `{"config":{"ACL":null,"Client":{"Templates":{}}}}`} {
			if there, saw, err := search(nil, []byte(body)); err == nil {
				t.Errorf("%s in %s: %t, %s", name, body, there, saw)
			}
		}
	}
}

// TestSearchOfDrivers: each client must report the driver.
func TestSearchOfDrivers(t *testing.T) {
	search := catalogue.Searches()["raw_exec"]
	const off, on = `{"Name":"a","Drivers":{"raw_exec":{"Detected":false}}}`, `{"Name":"b","Drivers":{"raw_exec":{"Detected":true}}}`
	const mute, renamed = `{"Name":"c","Drivers":{"exec":{"Detected":true}}}`, `{"Name":"d","Drivers":{"raw_exec":{"Found":true}}}`
	for body, want := range map[string]string{
		off: "absent", on: "found", off + "," + on: "found", mute: "blind", renamed: "blind", off + "," + mute: "blind", on + "," + mute: "found",
	} {
		got := "absent"
		there, saw, err := search(nil, []byte("["+body+"]"))
		switch {
		case err != nil:
			got = "blind"
		case there:
			got = "found"
		}
		if got != want {
			t.Errorf("%s: %s (%s, %v), want %s", body, got, saw, err, want)
		}
	}
}

// TestSearchOfAClientsDrivers: other clients and old entries do not count.
func TestSearchOfAClientsDrivers(t *testing.T) {
	entry := func(name, status, offers string) string {
		return `{"Name":"` + name + `","Status":"` + status + `","Drivers":{"raw_exec":{"Detected":` + offers + `}}}`
	}
	for name, test := range map[string]struct {
		nodes []string
		want  string
	}{
		"it alone":                       {[]string{entry("a", "ready", "true"), entry("b", "ready", "false")}, "found"},
		"another alone":                  {[]string{entry("a", "ready", "false"), entry("b", "ready", "true")}, "absent"},
		"it, before it came anew":        {[]string{entry("a", "down", "true"), entry("a", "ready", "false")}, "absent"},
		"it is not listed":               {[]string{entry("b", "ready", "true")}, "blind"},
		"it is down":                     {[]string{entry("a", "down", "false")}, "blind"},
		"it does not tell, another does": {[]string{`{"Name":"a","Status":"ready"}`, entry("b", "ready", "true")}, "blind"},
	} {
		got := "absent"
		there, saw, err := catalogue.DriversOf(probe.Target{Name: "a"})(nil, []byte("["+strings.Join(test.nodes, ",")+"]"))
		switch {
		case err != nil:
			got = "blind"
		case there:
			got = "found"
		}
		if got != test.want {
			t.Errorf("%s: %s (%s, %v), want %s", name, got, saw, err, test.want)
		}
	}
}

// TestSearchOfSettings: a setting's value counts if the setting is present, even if it is empty.
func TestSearchOfSettings(t *testing.T) {
	for id, test := range map[string]struct{ good, bad string }{
		"client-templates-stay-in-the-task": {`{"Client":{"TemplateConfig":{"DisableSandbox":false}}}`, `{"Client":{"TemplateConfig":{"DisableSandbox":true}}}`},
		"client-templates-run-nothing":      {`{"Client":{"TemplateConfig":{"FunctionDenylist":["plugin","writeToFile"]}}}`, `{"Client":{"TemplateConfig":{"FunctionDenylist":null}}}`},
		"client-forgets-revoked-tokens":     {`{"ACL":{"TokenTTL":30000000000}}`, `{"ACL":{"TokenTTL":3000000000000}}`},
		"server-rotates-encryption-keys": {
			`{"Server":{"RootKeyRotationThreshold":"","RootKeyGCInterval":""}}`, `{"Server":{"RootKeyRotationThreshold":"20000h","RootKeyGCInterval":""}}`,
		},
		"server-drops-old-encryption-keys": {
			`{"Server":{"RootKeyGCThreshold":"744h","RootKeyGCInterval":"10m"}}`, `{"Server":{"RootKeyGCThreshold":"1h","RootKeyGCInterval":"745h"}}`,
		},
		"server-drops-dead-servers":    {`{"Autopilot":{"CleanupDeadServers":null}}`, `{"Autopilot":{"CleanupDeadServers":false}}`},
		"server-demands-introductions": {`{"Server":{"ClientIntroduction":{"Enforcement":"strict"}}}`, `{"Server":{"ClientIntroduction":{"Enforcement":""}}}`},
		"server-introduces-for-an-hour-at-most": {
			`{"Server":{"ClientIntroduction":{"MaxIdentityTTL":3600000000000}}}`, `{"Server":{"ClientIntroduction":{"MaxIdentityTTL":3600000000001}}}`,
		},
		"server-ends-tokens-within-a-month": {`{"ACL":{"TokenMaxExpirationTTL":0}}`, `{"ACL":{"TokenMaxExpirationTTL":3000000000000000}}`},
	} {
		for config, want := range map[string]bool{test.good: false, test.bad: true} {
			there, saw, err := catalogue.Searches()[id](nil, []byte(`{"config":`+config+`}`))
			if there != want || err != nil {
				t.Errorf("%s in %s: %t, %s, %v", id, config, there, saw, err)
			}
		}
	}
}

// TestTwoTimesTogether: a key may be as old as the threshold and an interval.
func TestTwoTimesTogether(t *testing.T) {
	for times, want := range map[[2]string]bool{
		{"8000h", "500h"}: false, {"8000h", "8000h"}: true, {"8760h", "24h"}: false, {"8760h", "25h"}: true, {"", "8000h"}: false, {"", "8760h"}: true, {"-8760h", "8784h"}: true,
		{"no time", ""}: true,
	} {
		account := fmt.Sprintf(`{"config":{"Server":{"RootKeyRotationThreshold":%q,"RootKeyGCInterval":%q}}}`, times[0], times[1])
		if there, saw, err := catalogue.Searches()["server-rotates-encryption-keys"](nil, []byte(account)); there != want || err != nil {
			t.Errorf("%v: %t, %s, %v", times, there, saw, err)
		}
	}
}

// TestAnAgentThatNamesNoAuthority accepts certificates of any authority; one that asks for no certificate proves
// nothing. Two certificates of one name are two authorities if all certificates of the cluster's authorities are
// known; otherwise the result is inconclusive.
func TestAnAgentThatNamesNoAuthority(t *testing.T) {
	own, other := authority(t, "own"), authority(t, "other")
	for _, test := range []struct {
		names [][]byte
		all   bool
		there bool
		fails string
	}{
		{[][]byte{own.RawSubject}, true, false, ""},
		{[][]byte{own.RawSubject, other.RawSubject}, true, true, ""},
		{[][]byte{own.RawSubject, own.RawSubject}, true, true, ""},
		{[][]byte{own.RawSubject, own.RawSubject}, false, false, "renewed, or another"},
		{[][]byte{}, true, true, ""},
		{nil, true, false, "asks for no certificate"},
	} {
		there, saw, err := catalogue.ForeignAuthority(test.all, own).In(probe.Observation{AcceptableCAs: test.names})
		if there != test.there || (err != nil) != (test.fails != "") || err != nil && !strings.Contains(err.Error(), test.fails) {
			t.Errorf("%d names, all known: %t: %t, %s, %v", len(test.names), test.all, there, saw, err)
		}
	}
}

// TestAuthoritiesByTheBytesOfTheirNames: names are compared as bytes. crypto/x509/pkix.Name reorders a name, drops
// unknown parts and uses one string type, so the cluster's own authority could look foreign, or a foreign one like
// the cluster's.
func TestAuthoritiesByTheBytesOfTheirNames(t *testing.T) {
	for _, parts := range [][]string{
		{"C=SE", "ST=Skane", "postalCode=21122", "O=Example", "CN=Own CA"},
		{"DC=example", "DC=corp", "CN=Own CA"},
		{"CN=Own CA", "O=Example", "C=SE"},
		{"emailAddress=ca@example.com", "CN=Own CA"},
		{"C=SE", "OU=Security", "OU=Nomad", "CN=Own CA"},
	} {
		own := ofSubject(t, distinguished(t, parts...))
		rewritten, err := asn1.Marshal(own.Subject.ToRDNSequence())
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(rewritten, own.RawSubject) {
			t.Errorf("%s: crypto/x509/pkix writes it as it is, so that it shows nothing", pki.NameText(own.RawSubject))
		}
		for what, test := range map[string]struct {
			name  []byte
			there bool
		}{
			"its own name":             {own.RawSubject, false},
			"the name as it is parsed": {rewritten, true},
		} {
			there, saw, err := catalogue.ForeignAuthority(true, own).In(probe.Observation{AcceptableCAs: [][]byte{test.name}})
			if there != test.there || err != nil {
				t.Errorf("%s of %s is foreign: %t, want %t (%s, %v)", what, pki.NameText(own.RawSubject), there, test.there, saw, err)
			}
		}
	}
}

// distinguished returns a distinguished name (DER) with its parts in the order given, each "type=value", in the
// string type that openssl uses.
func distinguished(t *testing.T, parts ...string) []byte {
	t.Helper()
	types := map[string]struct {
		oid asn1.ObjectIdentifier
		tag int
	}{
		"CN": {asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.TagUTF8String}, "C": {asn1.ObjectIdentifier{2, 5, 4, 6}, asn1.TagPrintableString},
		"ST": {asn1.ObjectIdentifier{2, 5, 4, 8}, asn1.TagUTF8String}, "O": {asn1.ObjectIdentifier{2, 5, 4, 10}, asn1.TagUTF8String},
		"OU": {asn1.ObjectIdentifier{2, 5, 4, 11}, asn1.TagUTF8String}, "postalCode": {asn1.ObjectIdentifier{2, 5, 4, 17}, asn1.TagUTF8String},
		"DC":           {asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, asn1.TagIA5String},
		"emailAddress": {asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, asn1.TagIA5String},
	}
	var sequence pkix.RDNSequence
	for _, part := range parts {
		kind, value, _ := strings.Cut(part, "=")
		text := asn1.RawValue{Tag: types[kind].tag, Bytes: []byte(value)}
		sequence = append(sequence, pkix.RelativeDistinguishedNameSET{{Type: types[kind].oid, Value: text}})
	}
	der, err := asn1.Marshal(sequence)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// ofSubject returns the certificate of an authority with that distinguished name (DER).
func ofSubject(t *testing.T, subject []byte) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), RawSubject: subject, BasicConstraintsValid: true, IsCA: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// authority returns the certificate of an authority of that name.
func authority(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	a, err := pki.NewAuthority(pki.Options{CommonName: name})
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pki.DecodeCertificates(a.CertificatePEM())
	if err != nil {
		t.Fatal(err)
	}
	return certs[0]
}

// TestSearchForAClient: a client is known by its name or its address; if by neither, the result is inconclusive.
func TestSearchForAClient(t *testing.T) {
	const list = `[{"Name":"a","Address":"10.0.0.5","Status":"ready"},{"Name":"b","Address":"10.0.0.6","Status":"down"}]`
	for name, test := range map[string]struct {
		client probe.Target
		want   string
	}{
		"by its name":                   {probe.Target{Name: "a", Address: "10.0.0.9"}, "found"},
		"by its address":                {probe.Target{Name: "c", Address: "10.0.0.5"}, "found"},
		"by where it is asked":          {probe.Target{Name: "10.0.0.5:4646", HTTP: "10.0.0.5:4646"}, "found"},
		"down":                          {probe.Target{Name: "b", Address: "10.0.0.6"}, "absent"},
		"another":                       {probe.Target{Name: "c", Address: "10.0.0.9"}, "absent"},
		"another, whose own is unknown": {probe.Target{Name: "10.0.0.9:4646", HTTP: "10.0.0.9:4646"}, "blind"},
	} {
		got := "absent"
		there, saw, err := catalogue.ReadyAmong(test.client)(nil, []byte(list))
		switch {
		case err != nil:
			got = "blind"
		case there:
			got = "found"
		}
		if got != test.want {
			t.Errorf("%s: %s (%s, %v), want %s", name, got, saw, err, test.want)
		}
	}
}

// TestCacheable: what a shared cache may store, and what it must not.
func TestCacheable(t *testing.T) {
	for value, want := range map[string]bool{
		"public, max-age=3600": true, "max-age=3600": true, "s-maxage=600": true, "Public": true,
		"": false, "no-store": false, "no-store, max-age=3600": false, "private, max-age=3600": false, `private="x", s-maxage=1`: true, "max-age=0": false,
		"no-cache": false, "no-cache, max-age=3600": false, "public, max-age=0, must-revalidate": false, "public, s-maxage=60, max-age=0": true, "s-maxage=0, max-age=3600": false,
	} {
		if got := catalogue.Cacheable(value); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
}

// TestWhatBoundPoliciesRead: logs and files of other namespaces, but neither the job's own nor lists.
func TestWhatBoundPoliciesRead(t *testing.T) {
	in := func(namespace, capability string) string {
		return fmt.Sprintf(`{"Namespaces":[{"Name":%q,"Capabilities":[%q]}]}`, namespace, capability)
	}
	for rules, want := range map[string]bool{
		in("prod", "read-logs"): true, in("*", "read-fs"): true, in("default", "read-logs"): false, in("*", "read-job"): false,
		in("*", "list-jobs"): false, `{"Agent":{"Policy":"read"}}`: false,
		`{"Namespaces":[{"Name":"prod","Capabilities":["read-logs","deny"]}]}`: false,
	} {
		if got, err := catalogue.ReadsOutputOfOthers(rules, "default"); got != want || err != nil {
			t.Errorf("%s: %t, %v, want %t", rules, got, err, want)
		}
	}
}

// TestWhatBoundPoliciesReach: the job's own, other things in its namespace, and other namespaces.
func TestWhatBoundPoliciesReach(t *testing.T) {
	in := func(namespace, capability string) string {
		return fmt.Sprintf(`{"Namespaces":[{"Name":%q,"Capabilities":[%q]}]}`, namespace, capability)
	}
	at := func(path string) string {
		return fmt.Sprintf(`{"Namespaces":[{"Name":"default","Variables":{"Paths":[{"PathSpec":%q,"Capabilities":["write"]}]}}]}`, path)
	}
	for rules, want := range map[string][2]bool{
		in("default", "read-job"): {false, false}, in("default", "scale-job"): {false, false}, in("default", "csi-mount-volume"): {false, false},
		in("default", "submit-job"): {false, true}, in("default", "register-job"): {false, true}, in("default", "alloc-exec"): {false, true},
		in("prod", "submit-job"): {true, false}, in("*", "read-job"): {false, false},
		at("nomad/jobs/web"): {false, false}, at("nomad/jobs/web/*"): {false, false}, at("app/config"): {false, false},
		at("nomad/jobs/db/*"): {false, true}, at("nomad/jobs/web*"): {false, true}, at("*"): {false, true}, at("nomad/*"): {false, true},
		`{"HostVolumes":[{"Name":"*","Capabilities":["mount-readwrite"]}]}`: {false, true},
		`{"HostVolumes":[{"Name":"*","Capabilities":["mount-readonly"]}]}`:  {false, false},
	} {
		others, own, err := catalogue.Reaches(rules, "default", "web")
		if err != nil || others != want[0] || own != want[1] {
			t.Errorf("%s: others %t, own %t, %v, want %v", rules, others, own, err, want)
		}
	}
}
