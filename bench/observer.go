package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// tick is how often each server is asked: short beside a milestone, long beside an answer.
	tick = 10 * time.Millisecond
	// dialTimeout limits a connection: on one machine it takes less than a millisecond or fails.
	dialTimeout = 250 * time.Millisecond
	// requestTimeout limits one request to a server that hangs.
	requestTimeout = 2 * time.Second
	// countedAtEveryTick is the largest number of clients that is counted at every tick.
	countedAtEveryTick = 10
)

// observer sees from outside how far a cluster is on its way up. It asks the servers' HTTPS ports and nothing else, so
// that the same code measures every contestant. Make it with observe, and stop it.
type observer struct {
	clients int
	began   time.Time
	cancel  context.CancelFunc
	ended   sync.WaitGroup
	// complete is closed when all milestones have been seen.
	complete chan struct{}

	mu        sync.Mutex
	seen      map[milestone]float64
	steps     []step
	countedAt time.Time
}

// observe starts the clock and begins to ask.
func observe(ctx context.Context, cluster observed, clients int) *observer {
	ctx, cancel := context.WithCancel(ctx)
	o := &observer{
		clients: clients, cancel: cancel, seen: map[milestone]float64{}, complete: make(chan struct{}), began: time.Now(),
	}
	o.ended.Go(func() { o.discover(ctx, cluster) })
	return o
}

// wait waits until all milestones have been seen. Its error names those that have not.
func (o *observer) wait(ctx context.Context) error {
	select {
	case <-o.complete:
		return nil
	case <-ctx.Done():
		var missing []string
		for _, m := range seenFromOutside() {
			if !o.has(m) {
				missing = append(missing, string(m))
			}
		}
		return fmt.Errorf("waited %s, and did not see: %s: %w",
			time.Since(o.began).Round(tick), strings.Join(missing, ", "), context.Cause(ctx))
	}
}

// stop ends the requests and returns when none is under way.
func (o *observer) stop() {
	o.cancel()
	o.ended.Wait()
}

// elapsed returns the seconds since observe was called.
func (o *observer) elapsed() float64 { return time.Since(o.began).Seconds() }

func (o *observer) has(m milestone) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, has := o.seen[m]
	return has
}

// mark records a milestone, unless another server has shown it already.
func (o *observer) mark(m milestone, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, has := o.seen[m]; has {
		return
	}
	o.seen[m] = o.elapsed()
	o.note(string(m) + ": " + text)
	if len(o.seen) == len(seenFromOutside()) {
		close(o.complete)
	}
}

// note adds a step. The caller holds the lock.
func (o *observer) note(text string) {
	o.steps = append(o.steps, step{at: o.elapsed(), source: "observer", text: text})
}

// everyTick calls a function at once and then at each tick, until ctx ends or all milestones have been seen.
func (o *observer) everyTick(ctx context.Context, do func()) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-o.complete:
			return
		case <-ticker.C:
		}
	}
}

// discover follows each server from the moment at which the cluster reports it as started.
func (o *observer) discover(ctx context.Context, cluster observed) {
	var followed sync.WaitGroup
	defer followed.Wait()
	known := map[netip.AddrPort]bool{}
	o.everyTick(ctx, func() {
		config := cluster.clientTLS()
		if config == nil {
			return
		}
		for _, at := range cluster.servers() {
			if !known[at] {
				known[at] = true
				followed.Go(func() { o.follow(ctx, at, config) })
			}
		}
	})
}

// server is one server that the observer asks.
type server struct {
	at   netip.AddrPort
	http *http.Client
}

// follow asks one server until every milestone has been seen.
func (o *observer) follow(ctx context.Context, at netip.AddrPort, config *tls.Config) {
	transport := &http.Transport{
		TLSClientConfig: config, MaxIdleConns: 1, DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext,
	}
	defer transport.CloseIdleConnections()
	s := server{at, &http.Client{Transport: transport, Timeout: requestTimeout}}
	o.mu.Lock()
	o.note(fmt.Sprintf("server at %s is started", at))
	o.mu.Unlock()
	o.everyTick(ctx, func() { o.ask(ctx, s) })
}

// ask asks for what has not been seen yet. Every request allows a stale answer: the server then answers at once and for
// itself, instead of holding the request back until there is a leader (nomad/rpc.go:586-661).
func (o *observer) ask(ctx context.Context, s server) {
	if !o.has(leader) {
		var name string
		hasAnswered, err := s.get(ctx, "/v1/status/leader", &name)
		if hasAnswered {
			o.mark(answered, s.at.String())
		}
		if err != nil || name == "" {
			return
		}
		o.mark(leader, fmt.Sprintf("%s names %s", s.at, name))
	}
	if !o.has(voters) {
		var raft struct{ Servers []struct{ Voter bool } }
		_, err := s.get(ctx, "/v1/operator/raft/configuration", &raft)
		found := slices.DeleteFunc(raft.Servers, func(x struct{ Voter bool }) bool { return !x.Voter })
		if err == nil && len(found) == serverCount {
			o.mark(voters, fmt.Sprintf("%s counts %d", s.at, serverCount))
		}
	}
	if !o.has(ready) && o.mayCount() {
		var nodes []struct{ Status string }
		_, err := s.get(ctx, "/v1/nodes", &nodes)
		found := slices.DeleteFunc(nodes, func(x struct{ Status string }) bool { return x.Status != "ready" })
		if err == nil && len(found) == o.clients {
			o.mark(ready, fmt.Sprintf("%s counts %d", s.at, o.clients))
		}
	}
}

// mayCount reports whether it is time to count the clients again. A hundred clients are counted at every tenth tick
// only: their list, from three servers, a hundred times a second, would be most of what a small machine does.
func (o *observer) mayCount() bool {
	if o.clients <= countedAtEveryTick {
		return true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.countedAt) < tick*time.Duration(o.clients)/countedAtEveryTick {
		return false
	}
	o.countedAt = time.Now()
	return true
}

// get sends one request. hasAnswered is true after any HTTPS response, even if err says that it is of no use.
func (s server) get(ctx context.Context, path string, into any) (hasAnswered bool, err error) {
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
