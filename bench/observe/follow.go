package observe

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"nomadlab.internal/bench/measure"
)

const (
	// dialWithin bounds a connection: on one machine it takes less than a millisecond or comes to nothing.
	dialWithin = 250 * time.Millisecond
	// answerWithin bounds one question to a server that hangs.
	answerWithin = 2 * time.Second
)

// server is one of those that are asked.
type server struct {
	at   netip.AddrPort
	http *http.Client
}

// follow asks one server until every milestone has been seen.
func (w *Watch) follow(ctx context.Context, at netip.AddrPort, config *tls.Config) {
	transport := &http.Transport{
		TLSClientConfig: config, MaxIdleConns: 1, DialContext: (&net.Dialer{Timeout: dialWithin}).DialContext,
	}
	defer transport.CloseIdleConnections()
	s := server{at, &http.Client{Transport: transport, Timeout: answerWithin}}
	w.mu.Lock()
	w.note(fmt.Sprintf("server at %s is started", at))
	w.mu.Unlock()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		w.look(ctx, s)
		select {
		case <-ctx.Done():
			return
		case <-w.complete:
			return
		case <-ticker.C:
		}
	}
}

// look asks for what has not been seen yet. All questions allow a stale answer: they are then answered at once, by that
// server itself, instead of being held back until there is a leader (nomad/rpc.go:586-661).
func (w *Watch) look(ctx context.Context, s server) {
	if !w.has(measure.Leader) {
		var leader string
		answered, err := s.get(ctx, "/v1/status/leader", &leader)
		if answered {
			w.mark(measure.Answered, s.at.String())
		}
		if err != nil || leader == "" {
			return
		}
		w.mark(measure.Leader, fmt.Sprintf("%s names %s", s.at, leader))
	}
	if !w.has(measure.Voters) && s.voters(ctx) == w.want.Servers {
		w.mark(measure.Voters, fmt.Sprintf("%s counts %d", s.at, w.want.Servers))
	}
	if !w.has(measure.Ready) && w.mayCount() && s.ready(ctx) == w.want.Clients {
		w.mark(measure.Ready, fmt.Sprintf("%s counts %d", s.at, w.want.Clients))
	}
}

// mayCount spares a large cluster: the list of a hundred nodes, from three servers, a hundred times a second, would be
// most of what a small machine does. Up to ten clients are counted at every tick, a hundred at every tenth.
func (w *Watch) mayCount() bool {
	const atEveryTick = 10
	if w.want.Clients <= atEveryTick {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.countedAt) < tick*time.Duration(w.want.Clients)/atEveryTick {
		return false
	}
	w.countedAt = time.Now()
	return true
}

// voters counts the voters in Raft's configuration. -1: it was not told.
func (s server) voters(ctx context.Context) int {
	var raft struct{ Servers []struct{ Voter bool } }
	if _, err := s.get(ctx, "/v1/operator/raft/configuration", &raft); err != nil {
		return -1
	}
	n := 0
	for _, x := range raft.Servers {
		if x.Voter {
			n++
		}
	}
	return n
}

// ready counts the clients that are ready. -1: it was not told.
func (s server) ready(ctx context.Context) int {
	var nodes []struct{ Status string }
	if _, err := s.get(ctx, "/v1/nodes", &nodes); err != nil {
		return -1
	}
	n := 0
	for _, x := range nodes {
		if x.Status == "ready" {
			n++
		}
	}
	return n
}

// get asks one question. answered is true when there was any answer over HTTPS, also one that is of no use.
func (s server) get(ctx context.Context, path string, into any) (answered bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.at.String()+path+"?stale", http.NoBody)
	if err != nil {
		return false, fmt.Errorf("ask %s: %w", s.at, err)
	}
	response, err := s.http.Do(request)
	if err != nil {
		return false, fmt.Errorf("ask %s: %w", s.at, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return true, fmt.Errorf("ask %s: %s", s.at, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return true, fmt.Errorf("read the answer of %s: %w", s.at, err)
	}
	return true, nil
}
