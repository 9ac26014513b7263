package inspect_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/spec"
)

// TestPathsThatNomadOpens: a real agent allows pages of every site to send requests with an ACL token, at exactly those paths that
// the checks of headers name. The last paths are the controls.
func TestPathsThatNomadOpens(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Servers(1), spec.Clients(0), spec.Hardened())
	all, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(all, func(c posture.Check) bool { return c.Spec().ID == "server-https-answers-for-no-other-site" })
	_, opens, _ := strings.Cut(all[at].Spec().Why, "Nomad itself lets")
	reads, changes, _ := strings.Cut(opens, "and send PUT and DELETE")
	for _, test := range []struct {
		path, named    string // as it is asked, and as the check names it
		reads, changes bool
	}{
		{"/v1/var/app", "/v1/var/…", true, true},
		{"/v1/vars", "/v1/vars", true, false},
		{"/v1/client/stats", "stats", true, false},
		{"/v1/client/fs/ls/x", "fs", true, false},
		{"/v1/client/allocation/x/stats", "allocation", true, false},
		{"/v1/client/metadata", "metadata", true, false},
		{"/v1/client/identity", "identity", true, false},
		{"/v1/client/identity/renew", "identity", true, false},
		{"/v1/agent/health", "health", false, false},
		{"/v1/jobs", "jobs", false, false},
		{"/v1/nodes", "nodes", false, false},
	} {
		if strings.Contains(reads, test.named) != test.reads || strings.Contains(changes, test.named) != test.changes {
			t.Errorf("of %s the check says otherwise: %s", test.named, opens)
		}
		for method, want := range map[string]bool{
			http.MethodGet: test.reads, http.MethodPut: test.changes, http.MethodDelete: test.changes, http.MethodPost: false,
		} {
			h := preflight(t, l, test.path, method)
			leave := h.Get("Access-Control-Allow-Origin") == "*" && h.Get("Access-Control-Allow-Methods") == method &&
				strings.EqualFold(h.Get("Access-Control-Allow-Headers"), "X-Nomad-Token")
			if leave != want {
				t.Errorf("%s %s is open to pages of every site: %t, want %t: %v", method, test.path, leave, want, h)
			}
		}
	}
}

// preflight returns the headers with which a server of the lab answers a browser's preflight request: may a page of another site
// send this request, with an ACL token?
func preflight(t *testing.T, l *lab.Lab, path, method string) http.Header {
	t.Helper()
	n := l.Servers()[0]
	config, err := l.Credential().ClientTLS(n.ServerName())
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, "https://"+n.HTTP().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "https://another-site.example")
	request.Header.Set("Access-Control-Request-Method", method)
	request.Header.Set("Access-Control-Request-Headers", "x-nomad-token")
	response, err := (&http.Transport{TLSClientConfig: config, DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.Header
}
