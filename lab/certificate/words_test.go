package certificate_test

import (
	"testing"

	"nomadlab.internal/lab/certificate"
)

// TestShortName takes the common name out of a distinguished name, wherever it stands and whatever it has.
func TestShortName(t *testing.T) {
	for name, want := range map[string]string{
		"CN=a,OU=b":            "CN=a",
		"OU=b,CN=a":            "CN=a",
		"O=x\\,CN=no+CN=a,C=y": "CN=a",
		"CN=a\\,b,C=y":         "CN=a\\,b",
		"O=x":                  "O=x",
		"":                     "",
		"CN=":                  "CN=",
		"O=x\\":                "O=x\\",
	} {
		if got := certificate.ShortName(name); got != want {
			t.Errorf("%q gives %q, want %q", name, got, want)
		}
	}
}
