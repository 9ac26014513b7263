package catalogue_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// TestARingWithoutKeys: without a gossip key every server fails to list its keys, which another check judges. If some
// fail, the result is inconclusive.
func TestARingWithoutKeys(t *testing.T) {
	t.Parallel()
	const why = "gossip has no key: see gossip-refuses-no-key"
	const sound = `{"Keys":{"dVPlufFjUOQuaP87qGEvVKnHxbz55Ze9DPwVHP3FsFg=":3}}`
	for name, test := range map[string]struct {
		status int
		body   string
		want   finding.Result
		says   string
	}{
		"one key":            {http.StatusOK, sound, finding.Pass, ""},
		"one server, no key": {http.StatusInternalServerError, "1/1 nodes reported failure", finding.Skipped, why},
		"all servers fail":   {http.StatusInternalServerError, "3/3 nodes reported failure", finding.Skipped, why},
		"more than nine":     {http.StatusInternalServerError, "failed to list: 11/11 nodes reported failure", finding.Skipped, why},
		"some servers fail":  {http.StatusInternalServerError, "1/3 nodes reported failure", finding.Inconclusive, ""},
		"the end of a count": {http.StatusInternalServerError, "3/13 nodes reported failure", finding.Inconclusive, ""},
		"another failure":    {http.StatusInternalServerError, "no cluster leader", finding.Inconclusive, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer s.Close()
			for _, id := range []string{"gossip-ring-has-one-key", "gossip-keys-are-secret", "gossip-keys-have-32-bytes"} {
				f := check(t, minted(t), id).Evaluate(t.Context(), probe.Target{
					Name: "server-1", Role: pki.Server, Region: "global", HTTP: s.Listener.Addr().String(), HTTPPlaintext: true,
				})
				if f.Result != test.want || !strings.Contains(f.Reason, test.says) {
					t.Errorf("%s is %s because %q, want %s, %q", id, f.Result, f.Reason, test.want, test.says)
				}
			}
		})
	}
}
