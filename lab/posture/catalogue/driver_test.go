package catalogue_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// TestADriverThatItsListsLeaveOut: where servers do not report raw_exec, the client's own lists may exclude it;
// without a list the result is inconclusive. The servers' report counts even if no token may be sent to the client.
func TestADriverThatItsListsLeaveOut(t *testing.T) {
	t.Parallel()
	const none, offered = `{}`, `{"raw_exec": {"Detected": true}}`
	for name, test := range map[string]struct {
		drivers, options, noToken string
		want                      finding.Result
	}{
		"not allowed":              {none, `{"driver.allowlist": "docker, exec"}`, "", finding.Pass},
		"not allowed, old name":    {none, `{"driver.whitelist": "docker"}`, "", finding.Pass},
		"denied":                   {none, `{"driver.denylist": "qemu, raw_exec"}`, "", finding.Pass},
		"allowed":                  {none, `{"driver.allowlist": "docker, raw_exec"}`, "", finding.Inconclusive},
		"another is denied":        {none, `{"driver.denylist": "qemu"}`, "", finding.Inconclusive},
		"an empty list counts":     {none, `{"driver.allowlist": "", "driver.whitelist": "docker"}`, "", finding.Inconclusive},
		"no list":                  {none, `{}`, "", finding.Inconclusive},
		"no token may go there":    {none, `{"driver.allowlist": "docker"}`, "its name is another", finding.Inconclusive},
		"offered, no token may go": {offered, `{}`, "its name is another", finding.Fail},
	} {
		i := minted(t)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/agent/self" {
				_, _ = fmt.Fprintf(w, `{"config": {"Client": {"Options": %s}}}`, test.options)
				return
			}
			_, _ = fmt.Fprintf(w, `[{"Name": "client-1", "Status": "ready", "Drivers": %s}]`, test.drivers)
		}))
		t.Cleanup(s.Close)
		at := probe.Target{Name: "server-1", Role: pki.Server, Region: "global", HTTP: s.Listener.Addr().String(), HTTPPlaintext: true}
		i.Servers = []probe.Target{at}
		at.Name, at.Role, at.NoToken = "client-1", pki.Client, test.noToken
		if f := check(t, i, "client-offers-no-raw-exec").Evaluate(t.Context(), at); f.Result != test.want {
			t.Errorf("%s: %s because %s, want %s", name, f.Result, f.Reason, test.want)
		}
	}
}
