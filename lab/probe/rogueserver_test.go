package probe_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// loneClient is the HTTP port of a client that is offered servers, and calls each before it accepts it.
type loneClient struct {
	mu      sync.Mutex
	servers []string
	calls   []string
	call    func(at string) error
}

// ServeHTTP serves /v1/agent/servers.
func (c *loneClient) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Method != http.MethodPut {
		_ = json.NewEncoder(w).Encode(c.servers)
		return
	}
	var taken []string
	var fault error
	for _, at := range r.URL.Query()["address"] {
		c.calls = append(c.calls, at)
		if slices.Contains(c.servers, at) || slices.Contains(own(), at) {
			taken = append(taken, at)
		} else if err := c.call(at); err != nil {
			fault = err
		} else {
			taken = append(taken, at)
		}
	}
	if len(taken) == 0 {
		http.Error(w, fmt.Sprint(fault), http.StatusBadRequest)
		return
	}
	c.servers = taken
}

// own are the servers that the client has at first.
func own() []string { return []string{"127.0.0.1:1", "127.0.0.1:2"} }

// offeredTo returns a client that calls with that function.
func offeredTo(t *testing.T, h credentials, call func(at string) error) (probe.Target, *loneClient) {
	t.Helper()
	c := &loneClient{servers: own(), call: call}
	at := target(serveHTTPS(t, listenLimited(t, 20), h.tlsConfig(t), c.ServeHTTP))
	at.Role, at.Caller = pki.Client, "127.0.0.1"
	return at, c
}

// now returns the servers that the client uses, and those that it was offered.
func (c *loneClient) now() (servers, offers []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.servers), slices.Clone(c.calls)
}

// calling calls with the byte for TLS and the handshake, then sends the text and waits for an answer.
func calling(config *tls.Config, says ...byte) func(string) error {
	return func(at string) error {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		var talk io.ReadWriter = conn
		if config != nil {
			if _, err := conn.Write([]byte{0x04}); err != nil {
				return err
			}
			secured := tls.Client(conn, config)
			if err := secured.Handshake(); err != nil {
				return err
			}
			talk = secured
		}
		if len(says) == 0 {
			return errors.New("no more of this")
		}
		if _, err := talk.Write(says); err != nil {
			return err
		}
		_, err = talk.Read(make([]byte, 1))
		return err
	}
}

func TestRogueServer(t *testing.T) {
	h := newCredentials(t)
	strict, err := h.cli.ClientTLS("server.global.nomad")
	if err != nil {
		t.Fatal(err)
	}
	lax := strict.Clone()
	lax.InsecureSkipVerify = true
	old := strict.Clone()
	old.MaxVersion = tls.VersionTLS12
	server, cli, foreign := probe.As(h.server), probe.As(h.cli), probe.As(h.foreign)
	const in, after, taken, none = probe.RefusedInHandshake, probe.RefusedAfterHandshake, probe.Accepted, probe.NotReached
	for name, test := range map[string]struct {
		call   func(string) error
		holder probe.Caller
		want   probe.Outcome
		says   string
	}{
		"a server":                     {calling(strict, 6), server, taken, "a call after the TLS handshake: 0x06, multiplex v2"},
		"no server":                    {calling(strict, 6), cli, in, "TLS alert: bad certificate; the client says: 400 Bad Request: tls: failed to verify"},
		"no server, over TLS 1.2":      {calling(old, 6), cli, in, "not server.global.nomad"},
		"another authority's":          {calling(strict, 6), foreign, in, "unknown authority"},
		"no server, and nobody looks":  {calling(lax, 6), cli, taken, "multiplex v2"},
		"no server, seen afterwards":   {calling(lax), cli, after, "the client says: 400 Bad Request: no more of this"},
		"no TLS":                       {calling(nil, 6), cli, taken, "a call in the clear, without TLS: 0x06, multiplex v2"},
		"a call without a word":        {calling(nil), cli, none, "said nothing"},
		"no call":                      {func(string) error { return io.ErrNoProgress }, cli, none, "did not call: the client said: 400 Bad Request: " + io.ErrNoProgress.Error()},
		"one who holds no certificate": {calling(lax, 6), probe.Anonymous(h.cli), none, "use a caller that holds a certificate"},
		"nobody":                       {calling(lax, 6), probe.Caller{}, none, "the caller is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			for range runs {
				at, client := offeredTo(t, h, test.call)
				o := probe.RogueServer(test.holder, cli).Observe(t.Context(), at)
				if o.Outcome != test.want || !strings.Contains(o.Received+o.Err, test.says) {
					t.Fatalf("outcome %q, received %q, error %q; want %q, %q", o.Outcome, o.Received, o.Err, test.want, test.says)
				}
				servers, offers := client.now()
				if !slices.Equal(servers, own()) || len(offers) > 1 {
					t.Fatalf("the client was offered %q and talks to %q", offers, servers)
				}
				for _, ours := range offers {
					if !strings.HasPrefix(ours, "127.0.0.1:") || listens(ours) {
						t.Fatalf("our listener was at %s, and is there still: %t", ours, listens(ours))
					}
				}
			}
		})
	}
}

// listens reports whether there is a listener at the address.
func listens(at string) bool {
	conn, err := net.Dial("tcp", at)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// TestRogueServerIsGivenUp: a client that accepts a server that has not answered is given its own servers back.
func TestRogueServerIsGivenUp(t *testing.T) {
	h := newCredentials(t)
	at, client := offeredTo(t, h, func(string) error { return nil })
	o := probe.RogueServer(probe.As(h.server), probe.As(h.cli)).Observe(t.Context(), at)
	servers, offers := client.now()
	if o.Outcome != probe.NotReached || !slices.Equal(servers, own()) || !slices.Equal(offers[1:], own()) {
		t.Errorf("outcome %q, error %q; the client was offered %q and talks to %q", o.Outcome, o.Err, offers, servers)
	}
}

// TestRogueServerIsCutShort: a probe that ends while the client waits ends the call, and the client uses its own servers.
func TestRogueServerIsCutShort(t *testing.T) {
	h := newCredentials(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	at, client := offeredTo(t, h, func(at string) error {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		cancel()
		_ = conn.SetReadDeadline(time.Now().Add(deadline.Hang))
		_, err = conn.Read(make([]byte, 1))
		ended <- err
		return err
	})
	o := probe.RogueServer(probe.As(h.server), probe.As(h.cli)).Observe(ctx, at)
	if servers, _ := client.now(); o.Outcome != probe.NotReached || !slices.Equal(servers, own()) {
		t.Errorf("outcome %q, received %q; the client talks to %q", o.Outcome, o.Received, servers)
	}
	if err := <-ended; err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("the client's call ended with %v", err)
	}
}

// TestRogueServerThatMayNotBeOffered: a client that refuses the offer shows nothing.
func TestRogueServerThatMayNotBeOffered(t *testing.T) {
	h := newCredentials(t)
	at, _ := recordHTTP(t, h, http.StatusForbidden, "Permission denied")
	at.Caller = "127.0.0.1"
	o := probe.RogueServer(probe.As(h.server), probe.As(h.cli)).Observe(t.Context(), at)
	if o.Outcome != probe.NotReached || !strings.Contains(o.Err, "Permission denied") {
		t.Errorf("outcome %q, error %q", o.Outcome, o.Err)
	}
}

// TestRogueServerHasToBeSomewhere: the listener needs an address that the client can call, and not all addresses.
func TestRogueServerHasToBeSomewhere(t *testing.T) {
	h := newCredentials(t)
	p := probe.RogueServer(probe.As(h.server), probe.As(h.cli).WithToken(secret, "a token"))
	for caller, want := range map[string]string{
		"127.0.0.1": "", "": "not known by which address agent could call", "0.0.0.0": "no address at which agent could call",
		"::": "no address at which", "localhost": "no address at which",
	} {
		at, client := offeredTo(t, h, func(string) error { return nil })
		at.Caller = caller
		if got := p.Inapplicable(at); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("caller %q: %q, want %q", caller, got, want)
		}
		if want == "" {
			continue
		}
		if o := p.Observe(t.Context(), at); o.Outcome != probe.NotReached || !strings.Contains(o.Err, want) {
			t.Errorf("caller %q: outcome %q, error %q", caller, o.Outcome, o.Err)
		}
		if _, offers := client.now(); len(offers) > 0 {
			t.Errorf("caller %q: the client was offered %q", caller, offers)
		}
	}
	at := target("")
	at.Caller = "127.0.0.1"
	if got := p.Inapplicable(at); got != "agent has no address for the HTTP plane" {
		t.Errorf("without an HTTP port: %q", got)
	}
	want := fmt.Sprintf("have the client call a listener of ours that presents %s: PUT /v1/agent/servers over HTTPS with %s and a token",
		probe.As(h.server), probe.As(h.cli))
	if p.Sentence != want || p.Plane != probe.PlaneHTTP {
		t.Errorf("%s sentence %q, want %q", p.Plane, p.Sentence, want)
	}
}
