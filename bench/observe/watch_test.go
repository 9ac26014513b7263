package observe_test

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

	"nomadlab.internal/bench/measure"
	"nomadlab.internal/bench/observe"
	"nomadlab.internal/lab/pki"
)

const (
	noVoters = `{"Servers":[{"Voter":false},{"Voter":false},{"Voter":false}]}`
	voters   = `{"Servers":[{"Voter":true},{"Voter":true},{"Voter":true}]}`
	oneReady = `[{"Status":"ready"},{"Status":"initializing"}]`
	allReady = `[{"Status":"ready"},{"Status":"ready"},{"Status":"down"}]`
)

// server is an HTTPS server that wants a certificate, and answers each question with what the script says, one answer
// after the other; the last one stays.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string][]string
	asked   []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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

func (s *server) at() netip.AddrPort {
	return netip.MustParseAddrPort(strings.TrimPrefix(s.URL, "https://"))
}

// source is what the observer is told.
type source struct {
	mu      sync.Mutex
	config  *tls.Config
	servers []netip.AddrPort
}

func (s *source) TLS() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config
}

func (s *source) Servers() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.servers)
}

func (s *source) set(config *tls.Config, servers ...netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config, s.servers = config, servers
}

// start returns a server with that script, and how it must be spoken to.
func start(t *testing.T, answers map[string][]string) (*server, *tls.Config) {
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
	s := &server{answers: answers}
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

func script() map[string][]string {
	return map[string][]string{
		"/v1/status/leader":               {"500", `""`, `""`, `"10.0.0.1:4647"`},
		"/v1/operator/raft/configuration": {"500", noVoters, voters},
		"/v1/nodes":                       {"[]", oneReady, oneReady, allReady},
	}
}

var want = observe.Want{Servers: 3, Clients: 2}

// soon ends a wait that would end no more, with what was not seen as the error.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestMilestones plays a whole boot: every wrong answer comes before the right one, and only the right one counts.
func TestMilestones(t *testing.T) {
	s, config := start(t, script())
	src := &source{}
	src.set(config, s.at())
	w := observe.Start(t.Context(), src, want)
	defer w.Stop()
	if err := w.Wait(soon(t)); err != nil {
		t.Fatal(err)
	}
	w.Stop()
	seen := w.Seen()
	order := []measure.Milestone{measure.Answered, measure.Leader, measure.Voters, measure.Ready}
	if len(seen) != len(order) {
		t.Fatalf("saw %v, want %v", seen, order)
	}
	for i, m := range order[1:] {
		if seen[order[i]] <= 0 || seen[m] < seen[order[i]] {
			t.Errorf("saw %s after %g s and %s after %g s", order[i], seen[order[i]], m, seen[m])
		}
	}
	// Answered came with the first answer, which was an error: the leader's name came at the fourth tick.
	if seen[measure.Answered] == seen[measure.Leader] {
		t.Error("the first answer was noted only with the leader")
	}
	for path, answers := range script() {
		if last := path + " " + answers[len(answers)-1]; !slices.Contains(s.asked, last) {
			t.Errorf("the watch ended before %s was answered", last)
		}
	}
	if got := len(w.Steps()); got != 1+len(order) {
		t.Errorf("%d steps, want one for the server's start and one for each milestone: %v", got, w.Steps())
	}
}

// TestNothingIsSeenBeforeItIsThere holds back, one after the other, what the observer needs.
func TestNothingIsSeenBeforeItIsThere(t *testing.T) {
	for name, c := range map[string]struct {
		last    func(map[string][]string)
		missing []measure.Milestone
	}{
		"no leader":       {func(a map[string][]string) { a["/v1/status/leader"] = []string{`""`} }, []measure.Milestone{measure.Leader, measure.Voters, measure.Ready}},
		"only errors":     {func(a map[string][]string) { a["/v1/status/leader"] = []string{"500"} }, []measure.Milestone{measure.Leader, measure.Voters, measure.Ready}},
		"no voters":       {func(a map[string][]string) { a["/v1/operator/raft/configuration"] = []string{noVoters} }, []measure.Milestone{measure.Voters}},
		"a client is out": {func(a map[string][]string) { a["/v1/nodes"] = []string{oneReady} }, []measure.Milestone{measure.Ready}},
		"not JSON":        {func(a map[string][]string) { a["/v1/nodes"] = []string{"<html>"} }, []measure.Milestone{measure.Ready}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := script()
			c.last(answers)
			s, config := start(t, answers)
			src := &source{}
			src.set(config, s.at())
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			w := observe.Start(ctx, src, want)
			err := w.Wait(ctx)
			w.Stop()
			if err == nil {
				t.Fatal("the wait ended well")
			}
			for _, m := range c.missing {
				if _, seen := w.Seen()[m]; seen {
					t.Errorf("%s was seen", m)
				}
				if !strings.Contains(err.Error(), m.Title()) {
					t.Errorf("the error does not say that %q was not seen: %v", m.Title(), err)
				}
			}
			if _, seen := w.Seen()[measure.Answered]; !seen {
				t.Error("the server's answers were not seen")
			}
		})
	}
}

// TestServersComeOneByOne: keys and addresses are there only after a while, and a server that is dead hides no other.
func TestServersComeOneByOne(t *testing.T) {
	s, config := start(t, script())
	dead, _ := start(t, nil)
	deadAt := dead.at()
	dead.Close()
	src := &source{}
	w := observe.Start(t.Context(), src, want)
	defer w.Stop()
	if seen := w.Seen(); len(seen) != 0 {
		t.Errorf("without a server %v was seen", seen)
	}
	src.set(nil, deadAt)
	src.set(config, deadAt, s.at())
	if err := w.Wait(soon(t)); err != nil {
		t.Fatal(err)
	}
}

// TestStrangersAreNotTheCluster: an answer counts only from a server that the cluster's authority has signed for.
func TestStrangersAreNotTheCluster(t *testing.T) {
	_, config := start(t, nil)
	stranger, _ := start(t, script())
	src := &source{}
	src.set(config, stranger.at())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	w := observe.Start(ctx, src, want)
	if err := w.Wait(ctx); err == nil {
		t.Error("the wait ended well")
	}
	w.Stop()
	if seen := w.Seen(); len(seen) != 0 {
		t.Errorf("of a stranger %v was seen", seen)
	}
}
