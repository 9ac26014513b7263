package inspect_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// managementToken is the secret of a management token of a foreignAgent.
const managementToken = "S3CR3T-of-the-operator"

// foreignAgent is an agent of a cluster that is not a lab. It counts what it is sent, and carries out every request, as an older
// Nomad may. It does not show what Nomad itself does.
type foreignAgent struct {
	role pki.Role
	// builds are the build tags of the servers, own is a client's version.
	builds []string
	own    string
	// clients are those that a server lists; nil: it lists none in a readable form.
	clients []map[string]any
	// name is what a server calls itself; empty: it does not say.
	name string
	// acl has it deny whatever takes a token to those who have none; mute has it deny everybody its versions.
	acl, mute bool

	mu       sync.Mutex
	requests []string
	tokens   int
	// open are the connections there are, most the most that there ever were.
	open, most int
}

func (a *foreignAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := r.Header.Get("X-Nomad-Token")
	a.mu.Lock()
	a.requests = append(a.requests, r.Method+" "+r.URL.RequestURI())
	if token != "" {
		a.tokens++
	}
	a.mu.Unlock()
	say := func(what any) { _ = json.NewEncoder(w).Encode(what) }
	versions := r.URL.Path == "/v1/agent/members" || r.URL.Path == "/v1/agent/self"
	switch {
	case r.URL.Path == "/v1/agent/health":
		say(map[string]any{string(a.role): map[string]any{"ok": true}})
	case r.URL.Path == "/v1/status/leader":
		say("127.0.0.1:4647")
	case r.URL.Path == "/v1/acl/tokens" && !a.acl:
		http.Error(w, "ACL support disabled", http.StatusBadRequest)
	case a.acl && token != managementToken, a.mute && versions:
		http.Error(w, "Permission denied", http.StatusForbidden)
	case r.URL.Path == "/v1/agent/members":
		var members []any
		for i, build := range a.builds {
			tags := map[string]string{"role": "nomad"}
			if build != "" {
				tags["build"] = build
			}
			members = append(members, map[string]any{"Name": fmt.Sprintf("server-%d.global", i+1), "Tags": tags})
		}
		say(map[string]any{"Members": members})
	case r.URL.Path == "/v1/nodes" && a.clients != nil:
		say(a.clients)
	case r.URL.Path == "/v1/agent/self":
		say(map[string]any{"config": map[string]any{"Version": map[string]string{"Version": a.own}, "ACL": map[string]any{"TokenTTL": 1}}, "member": map[string]any{"Name": a.name}})
	default:
		say(map[string]any{})
	}
}

// count counts connections.
func (a *foreignAgent) count(_ net.Conn, state http.ConnState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch state {
	case http.StateNew:
		a.open++
		a.most = max(a.most, a.open)
	case http.StateClosed, http.StateHijacked:
		a.open--
	}
}

// changing are the requests that are no GET.
func (a *foreignAgent) changing() []string {
	return slices.DeleteFunc(slices.Clone(a.requests), func(r string) bool { return strings.HasPrefix(r, "GET ") })
}

// operator has the authority of a cluster, and a credential for it.
type operator struct {
	authority *pki.Authority
	cli       pki.Credential
}

func newOperator(t *testing.T) operator {
	t.Helper()
	authority, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cli, err := authority.Issue(pki.Identity{Role: pki.CLI})
	if err != nil {
		t.Fatal(err)
	}
	return operator{authority, cli}
}

// named issues a certificate with these DNS names and no address.
func (h operator) named(t *testing.T, names ...string) pki.Credential {
	t.Helper()
	c, err := h.authority.IssueTemplate(pki.Template{Holder: pki.Identity{Role: pki.Server}, CommonName: names[0], DNSNames: names})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// issued is a certificate as `nomad tls cert create` gives it, which is for 127.0.0.1 as well.
func (h operator) issued(t *testing.T, id pki.Identity) pki.Credential {
	t.Helper()
	c, err := h.authority.Issue(id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve has the agent listen with that certificate, or in the clear for none, and returns the cluster as its operator knows it.
func (h operator) serve(t *testing.T, a *foreignAgent, c pki.Credential) inspect.Remote {
	t.Helper()
	server := httptest.NewUnstartedServer(a)
	server.Config.ConnState = a.count
	if len(c.CertPEM) == 0 {
		server.Start()
	} else {
		certificate, err := c.TLSCertificate()
		if err != nil {
			t.Fatal(err)
		}
		pool, err := h.cli.Pool()
		if err != nil {
			t.Fatal(err)
		}
		server.TLS = &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		}
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	r := files(t, h.cli, server.URL)
	r.TokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(r.TokenFile, []byte(managementToken), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// findingOf is the finding of a check.
func findingOf(t *testing.T, r finding.Report, id string) finding.Finding {
	t.Helper()
	for _, f := range r.Findings {
		if f.ID == id {
			return f
		}
	}
	t.Fatalf("nothing was found of %s", id)
	return finding.Finding{}
}

const rotation = "server-lets-nobody-rotate-encryption-keys-without-token"

// TestNothingIsChangedInAForeignCluster: whatever the versions are, reads alone are sent to those that were not verified, and
// nothing is ever made. The control is 1.11.3, to which more is sent.
func TestNothingIsChangedInAForeignCluster(t *testing.T) {
	t.Parallel()
	h := newOperator(t)
	for name, test := range map[string]struct {
		agent    *foreignAgent
		verified bool
		says     string
	}{
		"1.4.3":             {&foreignAgent{builds: []string{"1.4.3"}, acl: true}, false, "would be sent to Nomad 1.4.3, for which this request is not verified to be refused without effect"},
		"1.8.4":             {&foreignAgent{builds: []string{"1.8.4", "1.8.4"}, acl: true}, false, "would be sent to Nomad 1.8.4, for which"},
		"1.8.4 without ACL": {&foreignAgent{builds: []string{"1.8.4"}}, false, "would be sent to Nomad 1.8.4, for which"},
		"1.11.3":            {&foreignAgent{builds: []string{"1.11.3", "1.11.3"}, acl: true}, true, ""},
		"mixed":             {&foreignAgent{builds: []string{"1.11.3", "1.8.4", "1.11.3"}, acl: true}, false, "would be sent to Nomad 1.8.4, for which"},
		"enterprise":        {&foreignAgent{builds: []string{"1.11.3+ent"}, acl: true}, false, "would be sent to Nomad 1.11.3+ent, for which"},
		"denied":            {&foreignAgent{builds: []string{"1.11.3"}, acl: true, mute: true}, false, "not every version could be read"},
		"one without a tag": {&foreignAgent{builds: []string{"1.11.3", ""}}, false, `the server "server-2.global" has no build tag`},
		"none":              {&foreignAgent{}, false, "the answer is no list of servers"},
	} {
		t.Run(name, func(t *testing.T) {
			a := test.agent
			a.role = pki.Server
			r, err := inspect.Cluster(t.Context(), h.serve(t, a, h.issued(t, pki.Identity{Role: pki.Server})), inspect.Options{Quick: true})
			if err != nil {
				t.Fatal(err)
			}
			changing := a.changing()
			if test.verified != slices.Contains(changing, "PUT /v1/operator/keyring/rotate?full=true&publish_time=1") || !test.verified && len(changing) > 0 {
				t.Errorf("it was sent %q", changing)
			}
			if made := slices.DeleteFunc(a.requests, func(r string) bool {
				return !strings.Contains(r, "client-introduction-token") && !strings.Contains(r, "snapshot")
			}); len(made) > 0 {
				t.Errorf("it was asked for %q", made)
			}
			if f := findingOf(t, r, rotation); !test.verified && (f.Result != finding.Skipped || !strings.Contains(f.Reason, test.says)) {
				t.Errorf("%s: %s because %q, want one that says %q", f.ID, f.Result, f.Reason, test.says)
			}
			if f := findingOf(t, r, "introduction-tokens-live-an-hour-at-most"); f.Result != finding.Skipped || !strings.Contains(f.Reason, "did not start") {
				t.Errorf("%s: %s because %q", f.ID, f.Result, f.Reason)
			}
			for _, build := range a.builds {
				if notes := strings.Join(r.Notes, "\n"); build != "" && !a.mute && !slices.Contains(a.builds, "") && !strings.Contains(notes, "Nomad "+build+" runs on server-") {
					t.Errorf("the notes tell nothing of %s:\n%s", build, notes)
				}
			}
		})
	}
}

// TestVersionsAreAskedFirst: nothing but an agent's health is asked for before them.
func TestVersionsAreAskedFirst(t *testing.T) {
	h, a := newOperator(t), &foreignAgent{role: pki.Server, builds: []string{"1.11.3"}, acl: true}
	_, err := inspect.Cluster(t.Context(), h.serve(t, a, h.issued(t, pki.Identity{Role: pki.Server})), inspect.Options{Quick: true, Only: []string{rotation}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range a.requests {
		if strings.HasPrefix(r, "GET /v1/agent/members") {
			return
		}
		if r != "GET "+probe.HealthPath {
			t.Errorf("%s was asked before", r)
		}
	}
	t.Errorf("the versions were not asked: %q", a.requests)
}

// TestForeignAgentsAreNotFlooded: the limit of connections is not tried, and few are open at once.
func TestForeignAgentsAreNotFlooded(t *testing.T) {
	h, a := newOperator(t), &foreignAgent{role: pki.Server, builds: []string{"1.11.3"}}
	r, err := inspect.Cluster(t.Context(), h.serve(t, a, h.issued(t, pki.Identity{Role: pki.Server})), inspect.Options{Only: []string{"server-https-limits-connections"}})
	if err != nil {
		t.Fatal(err)
	}
	if f := findingOf(t, r, "server-https-limits-connections"); f.Result != finding.Skipped || a.most > 10 {
		t.Errorf("%s because %q, and %d connections were open at once", f.Result, f.Reason, a.most)
	}
}

// TestClientsAnswerForThemselves: what a client answers itself is sent to it only where its own version is verified too.
func TestClientsAnswerForThemselves(t *testing.T) {
	const id = "client-lets-nobody-change-its-metadata-without-token"
	h := newOperator(t)
	for own, sent := range map[string]bool{"1.11.3": true, "1.8.4": false, "": false} {
		a := &foreignAgent{role: pki.Client, builds: []string{"1.11.3"}, own: own, acl: true}
		r, err := inspect.Cluster(t.Context(), h.serve(t, a, h.issued(t, pki.Identity{Role: pki.Client})), inspect.Options{Quick: true, Only: []string{id}})
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(a.requests, "POST /v1/client/metadata"); got != sent {
			t.Errorf("a client of version %q was sent %q; the finding: %s", own, a.requests, findingOf(t, r, id).Reason)
		}
	}
}

// TestTokenGoesToVerifiedNamesAlone: the first rows are the controls.
func TestTokenGoesToVerifiedNamesAlone(t *testing.T) {
	h := newOperator(t)
	server, client := pki.Identity{Role: pki.Server}, pki.Identity{Role: pki.Client}
	for name, test := range map[string]struct {
		role         pki.Role
		holding      pki.Credential
		region, name string
		sent         bool
	}{
		"a server":                             {role: pki.Server, holding: h.named(t, "server.global.nomad"), sent: true},
		"a server of the region that is given": {role: pki.Server, holding: h.named(t, "server.eu.nomad"), region: "eu", sent: true},
		"a server of the given name":           {role: pki.Server, holding: h.named(t, "nomad.example.com"), name: "nomad.example.com", sent: true},
		"a client at its address":              {role: pki.Client, holding: h.issued(t, client), sent: true},
		"a client of the given name":           {role: pki.Client, holding: h.named(t, "client.global.nomad"), name: "client.global.nomad", sent: true},

		"a server of another region":              {role: pki.Server, holding: h.named(t, "server.eu.nomad")},
		"a server of another region, as issued":   {role: pki.Server, holding: h.issued(t, pki.Identity{Role: pki.Server, Region: "eu"})},
		"global where eu is given":                {role: pki.Server, holding: h.issued(t, server), region: "eu"},
		"a client of another region for a server": {role: pki.Server, holding: h.issued(t, pki.Identity{Role: pki.Client, Region: "eu"})},
		"a client for a server":                   {role: pki.Server, holding: h.issued(t, client)},
		"a client for a server, its name given":   {role: pki.Server, holding: h.named(t, "client.global.nomad"), name: "client.global.nomad"},
		"a user for a server":                     {role: pki.Server, holding: h.issued(t, pki.Identity{Role: pki.CLI})},
		"a client elsewhere":                      {role: pki.Client, holding: h.named(t, "client.global.nomad")},
		"a client with a server's name":           {role: pki.Client, holding: h.named(t, "server.global.nomad")},
		"an unexpected name":                      {role: pki.Server, holding: h.named(t, "nomad.example.com")},
		"no TLS":                                  {role: pki.Server},
	} {
		t.Run(name, func(t *testing.T) {
			a := &foreignAgent{role: test.role, builds: []string{"1.11.3"}, own: "1.11.3", acl: true}
			remote := h.serve(t, a, test.holding)
			remote.Region, remote.TLSServerName = test.region, test.name
			only := []string{"server-lets-nobody-list-nodes-without-token", "client-lets-nobody-read-agents-without-token"}
			r, err := inspect.Cluster(t.Context(), remote, inspect.Options{Quick: true, Only: only})
			if err != nil {
				t.Fatal(err)
			}
			notes := strings.Join(r.Notes, "\n")
			if said := strings.Contains(notes, "no token is sent to 127.0.0.1:"); (a.tokens > 0) != test.sent || said == test.sent {
				t.Errorf("%d tokens were sent, and the notes say\n%s", a.tokens, notes)
			}
			for _, f := range r.Findings {
				if f.Result == finding.Fail {
					t.Errorf("%s: %s because %s", f.ID, f.Result, f.Reason)
				}
			}
		})
	}
}

// TestARegionWithoutClients: where a server lists none, what is asked of clients is skipped for that reason. It is tried where one is
// listed, and the result is inconclusive where the server gives no list.
func TestARegionWithoutClients(t *testing.T) {
	h := newOperator(t)
	const check = "client-offers-no-raw-exec"
	offering := []map[string]any{{"Name": "c", "Drivers": map[string]any{"raw_exec": map[string]any{"Detected": true}}}}
	for name, test := range map[string]struct {
		clients []map[string]any
		acl     bool
		want    finding.Result
		says    string
	}{
		"none":               {[]map[string]any{}, false, finding.Skipped, "the servers list no client"},
		"none, with a token": {[]map[string]any{}, true, finding.Skipped, "the servers list no client"},
		"one":                {offering, false, finding.Fail, "of which offer it: c"},
		"not told":           {nil, false, finding.Inconclusive, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := &foreignAgent{role: pki.Server, builds: []string{"1.11.3"}, clients: test.clients, acl: test.acl}
			r, err := inspect.Cluster(t.Context(), h.serve(t, a, h.issued(t, pki.Identity{Role: pki.Server})), inspect.Options{Only: []string{check}})
			if err != nil {
				t.Fatal(err)
			}
			if f := findingOf(t, r, check); f.Result != test.want || !strings.Contains(f.Reason, test.says) {
				t.Errorf("%s because %q, want %s because %q", f.Result, f.Reason, test.want, test.says)
			}
		})
	}
}

// TestTwoForeignRegions: what is asked of a region is asked of each that addresses are given of, whichever comes first.
func TestTwoForeignRegions(t *testing.T) {
	h := newOperator(t)
	const check = "client-offers-no-raw-exec"
	without := []map[string]any{{"Name": "c", "Drivers": map[string]any{"raw_exec": map[string]any{"Detected": false}}}}
	offering := []map[string]any{{"Name": "d", "Drivers": map[string]any{"raw_exec": map[string]any{"Detected": true}}}}
	serve := func(region string, clients []map[string]any) inspect.Remote {
		a := &foreignAgent{role: pki.Server, builds: []string{"1.11.3"}, clients: clients, name: "server." + region}
		return h.serve(t, a, h.issued(t, pki.Identity{Role: pki.Server, Region: region}))
	}
	both, eu := serve("global", without), serve("eu", offering)
	both.Addresses = append(both.Addresses, eu.Addresses...)
	r, err := inspect.Cluster(t.Context(), both, inspect.Options{Only: []string{check}})
	if err != nil {
		t.Fatal(err)
	}
	results := map[finding.Result]int{}
	for _, f := range r.Findings {
		results[f.Result]++
	}
	if results[finding.Pass] != 1 || results[finding.Fail] != 1 {
		t.Errorf("got %v, want one of each region: %+v", results, r.Findings)
	}
}

// TestWhoseCertificateAsks: that of an agent is reported, as its holder can do more than ask.
func TestWhoseCertificateAsks(t *testing.T) {
	h := newOperator(t)
	at := h.serve(t, &foreignAgent{role: pki.Server, builds: []string{"1.11.3"}}, h.issued(t, pki.Identity{Role: pki.Server})).Addresses[0]
	for says, holding := range map[string]pki.Credential{"": h.cli, "names server.x.global.nomad": h.named(t, "cli.global.nomad", "server.x.global.nomad")} {
		r, err := inspect.Cluster(t.Context(), files(t, holding, at), inspect.Options{Only: []string{"server-rotates-encryption-keys"}})
		if err != nil {
			t.Fatal(err)
		}
		notes := strings.Join(r.Notes, "\n")
		if told := strings.Contains(notes, "the certificate that you ask with"); told != (says != "") || !strings.Contains(notes, says) {
			t.Errorf("the notes say %q, want %q", notes, says)
		}
	}
}

// TestARegionThatOnlyTheAgentsName: an agent's own certificate says of which region it is, where the caller's names none. The second
// row is the control: a certificate of two regions is found.
func TestARegionThatOnlyTheAgentsName(t *testing.T) {
	t.Parallel()
	h := newOperator(t)
	ops := h.named(t, "ops.example.com")
	for name, test := range map[string]struct {
		second  string
		regions finding.Result
	}{
		"of one region":  {"", finding.Pass},
		"of two regions": {".us.nomad", finding.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			serve := func(role pki.Role) string {
				a := &foreignAgent{role: role, builds: []string{"1.11.3"}, own: "1.11.3", clients: []map[string]any{}}
				id := pki.Identity{Role: role, Region: "eu"}
				if test.second != "" {
					id.DNSNames = []string{string(role) + test.second}
				}
				return h.serve(t, a, h.issued(t, id)).Addresses[0]
			}
			remote := files(t, ops, serve(pki.Server))
			remote.Addresses = append(remote.Addresses, serve(pki.Client))
			want := map[string]finding.Result{
				"server-certificate-names-no-second-region": test.regions, "client-certificate-names-no-second-region": test.regions,
				"server-certificate-names-no-second-role": finding.Pass, "client-certificate-names-no-second-role": finding.Pass,
				"server-certificate-names-a-host": finding.Pass, "client-certificate-names-a-host": finding.Pass,
				"client-certificate-names-its-own-role": finding.Pass,
			}
			r, err := inspect.Cluster(t.Context(), remote, inspect.Options{Only: slices.Sorted(maps.Keys(want))})
			if err != nil {
				t.Fatal(err)
			}
			for id, want := range want {
				if f := findingOf(t, r, id); f.Result != want {
					t.Errorf("%s: %s because %s, want %s", id, f.Result, f.Reason, want)
				}
			}
			for _, n := range r.Cluster.Nodes {
				if n.Region != "eu" {
					t.Errorf("the %s is of the region %q, and its certificate of eu", n.Role, n.Region)
				}
			}
		})
	}
}

// TestTheRegionThatACertificateNames is all between the role and the domain, in the certificate's own letters: as Nomad takes it.
func TestTheRegionThatACertificateNames(t *testing.T) {
	t.Parallel()
	const check = "server-certificate-names-no-second-role"
	h := newOperator(t)
	for name, region := range map[string]string{
		"server.eu.nomad": "eu", "server.eu.west.nomad": "eu.west", "server.eu_west.nomad": "eu_west", "server.DMZ.nomad": "DMZ", "SERVER.eu.NOMAD": "eu",
		"server.*.nomad": "global", "server.nomad": "global", "server..nomad": "global", "nomad.example.com": "global", // they name none
	} {
		t.Run(name, func(t *testing.T) {
			a := &foreignAgent{role: pki.Server, builds: []string{"1.11.3"}}
			r, err := inspect.Cluster(t.Context(), h.serve(t, a, h.named(t, name, "localhost")), inspect.Options{Only: []string{check}})
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Cluster.Nodes[0].Region; got != region {
				t.Errorf("its region is %q, want %q", got, region)
			}
			if f := findingOf(t, r, check); f.Result != finding.Pass {
				t.Errorf("%s: %s because %s", f.ID, f.Result, f.Reason)
			}
		})
	}
}
