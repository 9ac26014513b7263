package certificate_test

import (
	"slices"
	"testing"

	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/pki"
)

// expectation is what is to be said of a server's certificate with one defect.
type expectation struct {
	problems []string
	opens    bool
}

// ofDefects returns what is to be said of each defect, by its name. opens is what the matrix of a posture measures: see
// TestOpensWhatARealServerOpens.
func ofDefects() map[string]expectation {
	return map[string]expectation{
		"sound": {nil, true},
		// Only its issuer's name is known, which might be an intermediate authority's.
		"foreign":              {[]string{"issuer-missing"}, false},
		"self-signed":          {[]string{"self-signed"}, false},
		"expired":              {[]string{"expired"}, false},
		"not-yet-valid":        {[]string{"not-yet-valid"}, false},
		"no-eku":               {[]string{"no-purpose"}, true},
		"server-auth-only":     {[]string{"not-for-callers"}, false},
		"client-auth-only":     {[]string{"not-for-listeners"}, true},
		"code-signing-only":    {[]string{"not-for-tls"}, false},
		"outside-constraints":  {[]string{"outside-constraints"}, false},
		"intermediate-sent":    {nil, true},
		"intermediate-missing": {[]string{"issuer-missing"}, false},
		"weak-key":             {[]string{"weak-key"}, true},
		"ed25519":              {[]string{"ed25519"}, true},
		"can-sign":             {[]string{"can-sign"}, true},
		"long-lived":           {[]string{"long-lived"}, true},
		"nearly-expired":       {[]string{"ends-soon"}, true},
		"role-alone":           {[]string{"role-alone"}, true},

		"inside-constraints":      {nil, true},
		"path-length-exceeded":    {[]string{"path-too-long"}, false},
		"cross-signed":            {nil, true},
		"cross-signature-missing": {[]string{"foreign"}, false},
		"chain-reversed":          {[]string{"chain-order"}, true},
		// The file is wrong, and not the certificate: it opens what it says once it stands first.
		"leaf-not-first": {[]string{"leaf-not-first"}, false},
	}
}

// TestEachDefectIsNamed: of each defect of package pki the one thing that is wrong is named, with its remedy, and nothing else. The
// sound certificate is the control.
func TestEachDefectIsNamed(t *testing.T) {
	a := capable(t)
	for _, d := range append([]pki.Defect{{}}, pki.Defects()...) {
		t.Run(d.Name(), func(t *testing.T) {
			want, known := ofDefects()[d.Name()]
			if !known {
				t.Fatal("the defect is new: say what is to be said of it")
			}
			text := issue(t, a, pki.Identity{Role: pki.Server}, d).CertPEM
			c := judged(t, trusting(t, a), text)
			ofFile := certificate.Judge([]certificate.Input{decode(t, "it.pem", text)}, trusting(t, a)).Places[0].Problems
			complete(t, ofFile)
			if got := ids(slices.Concat(c.Problems, ofFile)); !slices.Equal(got, want.problems) && len(got)+len(want.problems) > 0 {
				t.Errorf("problems %q, want %q", got, want.problems)
			}
			complete(t, c.Problems)
			if got, want := certificate.OpenIn(c.Opens, "global"), opened(want.opens); !slices.Equal(got, want) {
				t.Errorf("it opens %q, want %q", got, want)
			}
			if c.Title() != "server of region global" {
				t.Errorf("it is %q", c.Title())
			}
		})
	}
}

// opened returns all endpoints, or none.
func opened(all bool) []certificate.Endpoint {
	if all {
		return certificate.Endpoints()
	}
	return nil
}
