package probe_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/probe"
)

// limitedListener accepts up to limit connections at a time, as Nomad does for one address. It closes the others at once.
type limitedListener struct {
	net.Listener
	limit int
	// stuck counts connections that have ended too.
	stuck bool

	mu        sync.Mutex
	open, top int
}

func (d *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if d.admit() {
			return &limitedConn{Conn: conn, leave: sync.OnceFunc(d.leave)}, nil
		}
		_ = conn.Close()
	}
}

func (d *limitedListener) admit() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == d.limit {
		return false
	}
	d.open++
	d.top = max(d.top, d.open)
	return true
}

func (d *limitedListener) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.stuck {
		d.open--
	}
}

// counts returns how many connections are open, and the most that ever were.
func (d *limitedListener) counts() (inside, top int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open, d.top
}

type limitedConn struct {
	net.Conn
	leave func()
}

func (g *limitedConn) Close() error {
	defer g.leave()
	return g.Conn.Close()
}

// listenLimited returns a limitedListener, whose fields may be changed before the first caller comes.
func listenLimited(t *testing.T, limit int) *limitedListener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &limitedListener{Listener: listener, limit: limit}
}

// serveHTTPS serves requests over HTTPS on the connections that the listener accepts.
func serveHTTPS(t *testing.T, d *limitedListener, config *tls.Config, handler http.HandlerFunc) string {
	t.Helper()
	serveOn(t, tls.NewListener(d, config), handler)
	return d.Addr().String()
}

// serveHTTP serves requests in plaintext on the connections that the listener accepts.
func serveHTTP(t *testing.T, d *limitedListener, handler http.HandlerFunc) string {
	t.Helper()
	serveOn(t, d, handler)
	return d.Addr().String()
}

func serveOn(t *testing.T, l net.Listener, handler http.HandlerFunc) {
	t.Helper()
	server := &http.Server{ErrorLog: quiet(), Handler: handler}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
}

func answer(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("leader")) }

// serveRPCs serves one call of each caller, in plaintext without a config, and keeps the connection.
func serveRPCs(t *testing.T, d *limitedListener, config *tls.Config, after func(net.Conn)) string {
	t.Helper()
	go func() {
		for {
			conn, err := d.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle := func(conn net.Conn) { serveFraming(conn); after(conn) }
				if config != nil {
					handle = behindTLS(config, handle)
				}
				handle(conn)
			}()
		}
	}()
	t.Cleanup(func() { d.Close() })
	return d.Addr().String()
}

func TestFloods(t *testing.T) {
	t.Parallel()
	// Some leave late: their end of the connection is closed before the listener counts it.
	const limit, late = 20, 5
	h := newCredentials(t)
	config := h.tlsConfig(t)
	me := probe.As(h.server).OrPlaintext()
	for name, plane := range map[string]struct {
		flood   func(int, probe.Caller) probe.Probe
		serve   func(*limitedListener) string
		inClear bool
	}{
		"HTTP":              {probe.HTTPFlood, func(d *limitedListener) string { return serveHTTPS(t, d, config, answer) }, false},
		"HTTP in the clear": {probe.HTTPFlood, func(d *limitedListener) string { return serveHTTP(t, d, answer) }, true},
		"RPC":               {probe.RPCFlood, func(d *limitedListener) string { return serveRPCs(t, d, config, read) }, false},
		"RPC in the clear":  {probe.RPCFlood, func(d *limitedListener) string { return serveRPCs(t, d, nil, read) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			d := listenLimited(t, limit)
			at := target(plane.serve(d))
			at.HTTPPlaintext, at.RPCPlaintext = plane.inClear, plane.inClear
			for range runs {
				for n, want := range map[int]string{limit - late: "15 that spoke held, 0 shut out or closed", 2 * limit: "and the next one shut out"} {
					outcome := probe.Accepted
					if n > limit {
						outcome = probe.RefusedInHandshake
					}
					o := plane.flood(n, me).Observe(t.Context(), at)
					if o.Outcome != outcome || !strings.Contains(o.Received, want) {
						t.Fatalf("%d: outcome %q, received %q; want %q, %q: %s", n, o.Outcome, o.Received, outcome, want, o.Err)
					}
					if inside, _ := d.counts(); inside > late {
						t.Errorf("%d: %d are still inside when the probe returns", n, inside)
					}
				}
			}
			if _, top := d.counts(); top != limit {
				t.Errorf("%d were inside at once, want %d", top, limit)
			}
		})
	}
}

// A flood that could not be tried shows nothing.
func TestFloodsThatAreNone(t *testing.T) {
	t.Parallel()
	h := newCredentials(t)
	config := h.tlsConfig(t)
	me := probe.As(h.server)
	stuck := func(serve func(*limitedListener) string) probe.Target {
		d := listenLimited(t, 5)
		d.stuck = true
		return target(serve(d))
	}
	second := func(other http.HandlerFunc) probe.Target {
		var requests atomic.Int32
		return target(serveHTTPS(t, listenLimited(t, 20), config, func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1) == 2 {
				other(w, r)
				return
			}
			answer(w, r)
		}))
	}
	slow := second(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	broken := second(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
	})
	web := func(d *limitedListener) string { return serveHTTPS(t, d, config, answer) }
	rpcs := func(d *limitedListener) string { return serveRPCs(t, d, config, read) }
	sound := target(web(listenLimited(t, 20)))
	for name, test := range map[string]struct {
		probe probe.Probe
		at    probe.Target
		why   string
	}{
		"closed port, HTTP":     {probe.HTTPFlood(3, me), target(closedPort(t)), "the caller alone is not let in: dial tcp"},
		"closed port, RPC":      {probe.RPCFlood(3, me), target(closedPort(t)), "the caller alone is not let in: dial tcp"},
		"no port":               {probe.RPCFlood(3, me), target(""), "the target has no address for this plane"},
		"refused caller, HTTP":  {probe.HTTPFlood(3, probe.Anonymous(h.server)), sound, "the caller alone is not let in: remote error: tls"},
		"empty caller":          {probe.HTTPFlood(3, probe.Caller{}), sound, "the caller is empty"},
		"not let in afterwards": {probe.HTTPFlood(10, me), stuck(web), "the caller is not let in again"},
		"the same on RPC":       {probe.RPCFlood(10, me), stuck(rpcs), "the caller is not let in again"},
		"one without an answer": {probe.HTTPFlood(10, me), slow, "i/o timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := deadline.Fair(t.Context(), time.Second)
			defer cancel()
			if o := test.probe.Observe(ctx, test.at); o.Outcome != probe.NotReached || !strings.Contains(o.Err, test.why) {
				t.Errorf("outcome %q, %q; want %q, %q", o.Outcome, o.Err, probe.NotReached, test.why)
			}
		})
	}
	if o := probe.HTTPFlood(10, me).Observe(t.Context(), broken); o.Outcome != probe.Failed || o.Received != "500 Internal Server Error: No cluster leader" {
		t.Errorf("one that failed: outcome %q, received %q", o.Outcome, o.Received)
	}
}

// fickle serves RPCs to the callers that it accepts, by the number of requests so far, and closes all idle connections at the
// second request. Then it calls after with the connection.
func fickle(t *testing.T, config *tls.Config, takesIn func(spoken int) bool, after func(net.Conn)) string {
	t.Helper()
	var mu sync.Mutex
	var silent []net.Conn
	spoken := 0
	hears := func(conn net.Conn) (serves bool) {
		mu.Lock()
		defer mu.Unlock()
		silent = slices.DeleteFunc(silent, func(c net.Conn) bool { return c == conn })
		if spoken++; spoken == 2 { // the first was the caller alone
			for _, c := range silent {
				c.Close()
			}
		}
		return takesIn(spoken)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			silent = append(silent, conn) // in the order in which they come
			mu.Unlock()
			go func() {
				defer conn.Close()
				if firstByte(conn) == 0x04 && hears(conn) {
					secured(config, func(conn net.Conn) { serveFraming(conn); after(conn) })(conn)
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// TestFloodThatIsNone: if all idle connections are closed there was no flood, even if the first request is refused.
func TestFloodThatIsNone(t *testing.T) {
	h := newCredentials(t)
	at := fickle(t, h.tlsConfig(t), func(spoken int) bool { return spoken != 2 }, read)
	o := probe.RPCFlood(10, probe.As(h.server)).Observe(t.Context(), target(at))
	if o.Outcome != probe.Failed || !o.Retry || o.Received != "0 silent ones held, 7 closed, 0 that spoke let in: they were not all there at once" {
		t.Errorf("outcome %q, received %q: %s", o.Outcome, o.Received, o.Err)
	}
}

// TestFloodThatMeetsALimitOfTime: if the idle connections met a timeout, a request is sent on all. If some are held while others
// are refused, there is a limit of connections; if they are closed after their answer, there is none.
func TestFloodThatMeetsALimitOfTime(t *testing.T) {
	h := newCredentials(t)
	const n, limit = 40, 15
	always := func(int) bool { return true }
	for name, c := range map[string]struct {
		takesIn func(*limitedListener) func(int) bool
		after   func(net.Conn, *limitedListener)
		want    probe.Outcome
		says    string
	}{
		"and none of connections": {
			func(*limitedListener) func(int) bool { return always }, func(conn net.Conn, _ *limitedListener) { read(conn) },
			probe.Accepted, "40 that spoke held, 0 shut out or closed",
		},
		"and one of connections": {
			func(d *limitedListener) func(int) bool { return func(int) bool { return d.admit() } }, func(conn net.Conn, d *limitedListener) { defer d.leave(); read(conn) },
			probe.RefusedInHandshake, "15 that spoke held, 25 shut out or closed",
		},
		"and one fails": {
			func(*limitedListener) func(int) bool { return func(spoken int) bool { return spoken != 12 } }, func(conn net.Conn, _ *limitedListener) { read(conn) },
			probe.Failed, "let in after one was shut out",
		},
		"those that spoke as well": {
			func(*limitedListener) func(int) bool { return always }, func(net.Conn, *limitedListener) {},
			probe.Failed, "they were not all there at once",
		},
		"some that spoke as well": {
			func(*limitedListener) func(int) bool { return always }, func(conn net.Conn, d *limitedListener) {
				if d.admit() {
					read(conn)
				}
			},
			probe.Failed, "they were not all there at once",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := listenLimited(t, limit)
			at := fickle(t, h.tlsConfig(t), c.takesIn(d), func(conn net.Conn) { c.after(conn, d) })
			o := probe.RPCFlood(n, probe.As(h.server)).Observe(t.Context(), target(at))
			if o.Outcome != c.want || o.Retry != (c.want == probe.Failed) || !strings.Contains(o.Received, c.says) {
				t.Errorf("outcome %q, received %q; want %q, %q: %s", o.Outcome, o.Received, c.want, c.says, o.Err)
			}
		})
	}
}

// TestFloodThatIsAnsweredAndClosed: a connection that was answered and then closed is not held.
func TestFloodThatIsAnsweredAndClosed(t *testing.T) {
	h := newCredentials(t)
	at := target(serveRPCs(t, listenLimited(t, 20), h.tlsConfig(t), closeAtOnce))
	o := probe.RPCFlood(10, probe.As(h.server)).Observe(t.Context(), at)
	if o.Outcome != probe.RefusedInHandshake || o.Received != "0 that spoke held, 10 shut out or closed" {
		t.Errorf("outcome %q, received %q: %s", o.Outcome, o.Received, o.Err)
	}
}

// TestFloodThatIsSlow: a connection that is accepted and not answered in time shows no limit of connections.
func TestFloodThatIsSlow(t *testing.T) {
	t.Parallel()
	h := newCredentials(t)
	var spoken atomic.Int32
	at := listen(t, func(conn net.Conn) {
		if firstByte(conn) == 0x04 && spoken.Add(1) == 3 {
			_ = conn.SetReadDeadline(time.Now().Add(4200 * time.Millisecond))
			read(conn)
			return
		}
		secured(h.tlsConfig(t), func(conn net.Conn) { serveFraming(conn); read(conn) })(conn)
	})
	o := probe.RPCFlood(12, probe.As(h.server)).Observe(t.Context(), target(at))
	if o.Outcome != probe.Failed || !o.Retry || !strings.Contains(o.Received, "perhaps by a limit of time") {
		t.Errorf("outcome %q, received %q: %s", o.Outcome, o.Received, o.Err)
	}
}

// TestFloodThatComesLate: a proxy in between may pass a connection on at its first request, or later than others. That no
// connection was refused at first proves nothing.
func TestFloodThatComesLate(t *testing.T) {
	h := newCredentials(t)
	config := h.tlsConfig(t)
	const limit = 20
	for n, want := range map[int]probe.Outcome{limit - 5: probe.Accepted, 2 * limit: probe.RefusedInHandshake} {
		d := listenLimited(t, limit)
		at := listen(t, func(conn net.Conn) {
			first := firstByte(conn)
			if first != 0x04 || !d.admit() {
				return
			}
			defer d.leave()
			secured(config, func(conn net.Conn) { serveFraming(conn); read(conn) })(conn)
		})
		if o := probe.RPCFlood(n, probe.As(h.server)).Observe(t.Context(), target(at)); o.Outcome != want {
			t.Errorf("%d: outcome %q, received %q; want %q: %s", n, o.Outcome, o.Received, want, o.Err)
		}
	}
}

// Above the limit Nomad answers with 429, if its short time suffices, or breaks TLS off in the middle.
func TestFloodThatIsShutOutInOtherWays(t *testing.T) {
	h := newCredentials(t)
	config := h.tlsConfig(t)
	for name, shutOut := range map[string]http.HandlerFunc{
		"429": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Your IP is issuing too many concurrent connections", http.StatusTooManyRequests)
		},
		"a record that nobody can read": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.(*tls.Conn).NetConn().Write(append([]byte{0x17, 3, 3, 0, 32}, make([]byte, 32)...))
			conn.Close()
		},
	} {
		var requests atomic.Int32
		at := target(serveHTTPS(t, listenLimited(t, 20), config, func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1) == 3 {
				shutOut(w, r)
				return
			}
			answer(w, r)
		}))
		o := probe.HTTPFlood(10, probe.As(h.server)).Observe(t.Context(), at)
		if o.Outcome != probe.RefusedInHandshake || !strings.HasPrefix(o.Received, "7 silent ones held, 0 closed, 1 that spoke let in, and the next one shut out: ") {
			t.Errorf("%s: outcome %q, received %q: %s", name, o.Outcome, o.Received, o.Err)
		}
	}
}

// TestAFloodIsLargerThanTheLimit that an agent reports.
func TestAFloodIsLargerThanTheLimit(t *testing.T) {
	t.Parallel()
	h := newCredentials(t)
	p := probe.HTTPFlood(10, probe.As(h.server))
	at := target(webLimited(t, h.tlsConfig(t), 0, 0))
	at.MaxConnections = map[probe.Plane]int{probe.PlaneHTTP: 20}
	if o := p.Observe(t.Context(), at); o.Outcome != probe.Accepted || o.Sent != "50 connections, a request on each" {
		t.Errorf("where it takes 20: %s, %q", o.Outcome, o.Sent)
	}
}
