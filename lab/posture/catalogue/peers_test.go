package catalogue_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// TestPeersAreCompared: the number of peers alone proves nothing.
func TestPeersAreCompared(t *testing.T) {
	const got, fails = finding.Pass, finding.Fail
	i := minted(t)
	i.Peers = map[string][]string{"global": {"10.0.0.1:4647", "10.0.0.2:4647", "10.0.0.3:4647"}}
	checks, err := catalogue.All(i)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		peers        string
		few, foreign finding.Result
	}{
		"all":                     {`["10.0.0.1:4647", "10.0.0.2:4647", "10.0.0.3:4647"]`, got, got},
		"most":                    {`["10.0.0.1:4647", "10.0.0.3:4647"]`, got, got},
		"itself alone":            {`["10.0.0.1:4647"]`, fails, got},
		"one more":                {`["10.0.0.1:4647", "10.0.0.2:4647", "10.0.0.3:4647", "10.0.0.9:4647"]`, got, fails},
		"another in one's place":  {`["10.0.0.1:4647", "10.0.0.2:4647", "10.0.0.9:4647"]`, got, fails},
		"others in two's places":  {`["10.0.0.1:4647", "10.0.0.8:4647", "10.0.0.9:4647"]`, fails, fails},
		"another port of the one": {`["10.0.0.1:4647", "10.0.0.2:4647", "10.0.0.3:5647"]`, got, fails},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(test.peers)) }))
		at := probe.Target{Name: "server-1", Role: pki.Server, Region: "global", HTTP: s.Listener.Addr().String(), HTTPPlaintext: true}
		for _, c := range checks {
			want := map[string]finding.Result{"server-has-its-peers": test.few, "server-has-no-other-peers": test.foreign}[c.Spec().ID]
			if want == "" {
				continue
			}
			if f := c.Evaluate(t.Context(), at); f.Result != want {
				t.Errorf("%s, %s: %s because %s, want %s", name, f.ID, f.Result, f.Reason, want)
			}
		}
		s.Close()
	}
}
