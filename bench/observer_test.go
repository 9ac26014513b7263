package main

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nomadlab.internal/lab/pki"
)

const (
	noVoters    = `{"Servers":[{"Voter":false},{"Voter":false},{"Voter":false}]}`
	threeVoters = `{"Servers":[{"Voter":true},{"Voter":true},{"Voter":true}]}`
	oneReady    = `[{"Status":"ready"},{"Status":"initializing"}]`
	allReady    = `[{"Status":"ready"},{"Status":"ready"},{"Status":"down"}]`
)

// fakeServer is an HTTPS server that wants a certificate, and answers each question with what the script says, one answer
// after the other; the last one stays.
type fakeServer struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string][]string
	asked   []string
}

func (s *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.URL.Query().Has("stale") {
		http.Error(w, "this would be held back until there is a leader", http.StatusBadRequest)
		return
	}
	left := s.answers[r.URL.Path]
	if len(left) == 0 {
		http.NotFound(w, r)
		return
	}
	if len(left) > 1 {
		s.answers[r.URL.Path] = left[1:]
	}
	s.asked = append(s.asked, r.URL.Path+" "+left[0])
	if left[0] == "500" {
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
		return
	}
	_, _ = w.Write([]byte(left[0]))
}

func (s *fakeServer) at() netip.AddrPort {
	return netip.MustParseAddrPort(strings.TrimPrefix(s.URL, "https://"))
}

// source is a cluster as the observer sees it.
type source struct {
	mu      sync.Mutex
	config  *tls.Config
	started []netip.AddrPort
}

func (s *source) clientTLS() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config
}

func (s *source) servers() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.started)
}

func (s *source) set(config *tls.Config, servers ...netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config, s.started = config, servers
}

// startServer returns a server with that script, and how it must be spoken to.
func startServer(t *testing.T, answers map[string][]string) (*fakeServer, *tls.Config) {
	t.Helper()
	authority, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	issue := func(role pki.Role) pki.Credential {
		c, err := authority.Issue(pki.Identity{Role: role, Region: "global"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	own := issue(pki.Server)
	certificate, err := own.TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	pool, err := own.Pool()
	if err != nil {
		t.Fatal(err)
	}
	s := &fakeServer{answers: answers}
	s.Server = httptest.NewUnstartedServer(s)
	s.Server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	config, err := issue(pki.CLI).ClientTLS("server.global.nomad")
	if err != nil {
		t.Fatal(err)
	}
	return s, config
}

func answers() map[string][]string {
	return map[string][]string{
		"/v1/status/leader":               {"500", `""`, `""`, `"10.0.0.1:4647"`},
		"/v1/operator/raft/configuration": {"500", noVoters, threeVoters},
		"/v1/nodes":                       {"[]", oneReady, oneReady, allReady},
	}
}

// soon returns a context that ends a wait for what never comes.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestMilestones plays a whole boot: every wrong answer comes before the right one, and only the right one counts.
func TestMilestones(t *testing.T) {
	s, config := startServer(t, answers())
	src := &source{}
	src.set(config, s.at())
	o := observe(t.Context(), src, roundClients)
	defer o.stop()
	if err := o.wait(soon(t)); err != nil {
		t.Fatal(err)
	}
	o.stop()
	seen := o.seen
	order := []milestone{answered, leader, voters, ready}
	if len(seen) != len(order) {
		t.Fatalf("saw %v, want %v", seen, order)
	}
	for i, m := range order[1:] {
		if seen[order[i]] <= 0 || seen[m] < seen[order[i]] {
			t.Errorf("saw %s after %g s and %s after %g s", order[i], seen[order[i]], m, seen[m])
		}
	}
	// Answered came with the first answer, which was an error: the leader's name came at the fourth tick.
	if seen[answered] == seen[leader] {
		t.Error("the first answer was noted only with the leader")
	}
	for path, said := range answers() {
		if last := path + " " + said[len(said)-1]; !slices.Contains(s.asked, last) {
			t.Errorf("the watch ended before %s was answered", last)
		}
	}
	if got := len(o.steps); got != 1+len(order) {
		t.Errorf("%d steps, want one for the server's start and one for each milestone: %v", got, o.steps)
	}
}

// TestMissingMilestone holds back, one after the other, what the observer needs.
func TestMissingMilestone(t *testing.T) {
	for name, c := range map[string]struct {
		last    func(map[string][]string)
		missing []milestone
	}{
		"no leader":       {func(a map[string][]string) { a["/v1/status/leader"] = []string{`""`} }, []milestone{leader, voters, ready}},
		"only errors":     {func(a map[string][]string) { a["/v1/status/leader"] = []string{"500"} }, []milestone{leader, voters, ready}},
		"no voters":       {func(a map[string][]string) { a["/v1/operator/raft/configuration"] = []string{noVoters} }, []milestone{voters}},
		"a client is out": {func(a map[string][]string) { a["/v1/nodes"] = []string{oneReady} }, []milestone{ready}},
		"not JSON":        {func(a map[string][]string) { a["/v1/nodes"] = []string{"<html>"} }, []milestone{ready}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			held := answers()
			c.last(held)
			s, config := startServer(t, held)
			src := &source{}
			src.set(config, s.at())
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			o := observe(ctx, src, roundClients)
			err := o.wait(ctx)
			o.stop()
			if err == nil {
				t.Fatal("the wait ended well")
			}
			for _, m := range c.missing {
				if _, seen := o.seen[m]; seen {
					t.Errorf("%s was seen", m)
				}
				if !strings.Contains(err.Error(), string(m)) {
					t.Errorf("the error does not say that %q was not seen: %v", m, err)
				}
			}
			if _, seen := o.seen[answered]; !seen {
				t.Error("the server's answers were not seen")
			}
		})
	}
}

// TestServersComeOneByOne gives keys and addresses late, and one server that is dead.
func TestServersComeOneByOne(t *testing.T) {
	s, config := startServer(t, answers())
	dead, _ := startServer(t, nil)
	deadAt := dead.at()
	dead.Close()
	src := &source{}
	o := observe(t.Context(), src, roundClients)
	defer o.stop()
	for _, m := range seenFromOutside() {
		if o.has(m) {
			t.Errorf("without a server, %s was seen", m)
		}
	}
	src.set(nil, deadAt)
	src.set(config, deadAt, s.at())
	if err := o.wait(soon(t)); err != nil {
		t.Fatal(err)
	}
}

// TestOtherAuthority: an answer counts only from a server with a certificate of the cluster's authority.
func TestOtherAuthority(t *testing.T) {
	_, config := startServer(t, nil)
	other, _ := startServer(t, answers())
	src := &source{}
	src.set(config, other.at())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	o := observe(ctx, src, roundClients)
	if err := o.wait(ctx); err == nil {
		t.Error("the wait ended well")
	}
	o.stop()
	if seen := o.seen; len(seen) != 0 {
		t.Errorf("of a server of another authority, %v was seen", seen)
	}
}
