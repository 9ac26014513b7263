package probe_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/probe"
)

// captured is what an agent read of one connection, and how that ended.
type captured struct {
	text string
	err  error
}

// recorder is an agent that reads each connection to its end, with TLS after its first byte if config is set, and sends what it
// read to the channel.
func recorder(t *testing.T, config *tls.Config) (at string, ended <-chan captured) {
	t.Helper()
	all := make(chan captured, 10)
	at = listen(t, func(conn net.Conn) {
		if config != nil {
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
				all <- captured{err: err}
				return
			}
			conn = tls.Server(conn, config)
		}
		text, err := io.ReadAll(conn)
		all <- captured{string(text), err}
	})
	return at, all
}

// between starts a bit-flipping proxy for the agent.
func between(t *testing.T, at string) *probe.BitFlipProxy {
	t.Helper()
	i, err := probe.StartBitFlipProxy(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return i
}

// speak connects, sends each of the texts in one write, and closes. It ignores that the agent closes first.
func speak(t *testing.T, at string, config *tls.Config, texts ...string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if config != nil {
		if _, err := conn.Write([]byte{4}); err != nil {
			t.Fatal(err)
		}
		conn = tls.Client(conn, config)
	}
	for _, text := range texts {
		if _, err := conn.Write([]byte(text)); err != nil {
			return
		}
	}
	if secured, is := conn.(*tls.Conn); is {
		_ = secured.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}
}

// seen waits until the bit-flipping proxy has these counts.
func seen(t *testing.T, i *probe.BitFlipProxy, want probe.ProxyCounts) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
	defer cancel()
	every := time.NewTicker(time.Millisecond)
	defer every.Stop()
	for i.Counts() != want {
		select {
		case <-every.C:
		case <-ctx.Done():
			t.Fatalf("seen was %+v, want %+v", i.Counts(), want)
		}
	}
}

func TestBitFlipProxy(t *testing.T) {
	h := newCredentials(t)
	theirs := h.tlsConfig(t)
	ours := &tls.Config{InsecureSkipVerify: true, Certificates: theirs.Certificates} //nolint:gosec // who is asked does not matter here
	ten := slices.Repeat([]string{"word "}, 10)
	for _, test := range []struct {
		name           string
		server, caller *tls.Config
		flip           probe.RecordFlip
		text           string // that the agent heard, at least
		fails          string
		flipped        int
	}{
		{"TLS, nothing flipped", theirs, ours, probe.RecordFlip{}, strings.Join(ten, ""), "", 0},
		{"TLS, a record", theirs, ours, probe.RecordFlip{Record: 10}, "", "bad record MAC", 1},
		{"TLS, the handshake", theirs, ours, probe.RecordFlip{Record: 5}, "", "bad record MAC", 1},
		{"TLS, a record that does not come", theirs, ours, probe.RecordFlip{Record: 100}, strings.Join(ten, ""), "", 0},
		{"TLS, a marker that does not show", theirs, ours, probe.RecordFlip{Marker: "word"}, strings.Join(ten, ""), "", 0},
		{"in clear, nothing flipped", nil, nil, probe.RecordFlip{}, strings.Join(ten, ""), "", 0},
		{"in clear, a record, of which there is none", nil, nil, probe.RecordFlip{Record: 1}, strings.Join(ten, ""), "", 0},
		{"in clear, a marker", nil, nil, probe.RecordFlip{Marker: "word"}, "wore ", "", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			at, ended := recorder(t, test.server)
			i := between(t, at)
			i.SetFlip(test.flip)
			for n := range 3 {
				speak(t, i.Addr(), test.caller, ten...)
				got := <-ended
				if text := fmt.Sprint(got.err); test.fails == "" && got.err != nil || !strings.Contains(text, test.fails) {
					t.Errorf("connection %d ended with %v, want %q", n, got.err, test.fails)
				}
				if !strings.HasPrefix(got.text, test.text) || test.fails != "" && got.text == strings.Join(ten, "") {
					t.Errorf("the agent heard %q", got.text)
				}
			}
			seen(t, i, probe.ProxyCounts{Connections: 3, Flipped: 3 * test.flipped, Ended: 3 * test.flipped})
		})
	}
}

// TestBitFlipProxyWithAnEstablishedConnection: records are counted from the call on, and the zero value ends the flipping.
func TestBitFlipProxyWithAnEstablishedConnection(t *testing.T) {
	h := newCredentials(t)
	theirs := h.tlsConfig(t)
	answered := make(chan error, 1)
	at := listen(t, func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			answered <- err
			return
		}
		secured := tls.Server(conn, theirs)
		_, err := io.Copy(secured, secured)
		answered <- err
	})
	i := between(t, at)
	raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", i.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	if _, err := raw.Write([]byte{4}); err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, Certificates: theirs.Certificates}) //nolint:gosec // as above
	echo := func() error {
		if _, err := conn.Write([]byte("word")); err != nil {
			return err
		}
		_, err := io.ReadFull(conn, make([]byte, 4))
		return err
	}
	for range 3 {
		if err := echo(); err != nil {
			t.Fatal(err)
		}
	}
	i.SetFlip(probe.RecordFlip{Record: 2})
	i.SetFlip(probe.RecordFlip{})
	for range 3 {
		if err := echo(); err != nil {
			t.Fatalf("flipping was over: %v", err)
		}
	}
	i.SetFlip(probe.RecordFlip{Record: 2})
	if err := echo(); err != nil {
		t.Fatalf("the first record: %v", err)
	}
	if err := echo(); err == nil || !strings.Contains(err.Error(), "bad record MAC") {
		t.Fatalf("the second record: %v", err)
	}
	if err := <-answered; err == nil || !strings.Contains(err.Error(), "bad record MAC") {
		t.Errorf("the agent: %v", err)
	}
}

// TestBitFlipProxyListensOnLoopbackOnly also shows that the proxy and its connections are gone after Close.
func TestBitFlipProxyListensOnLoopbackOnly(t *testing.T) {
	for _, at := range []string{"0.0.0.0:0", "192.0.2.1:4747", "[::]:0"} {
		if i, err := probe.StartBitFlipProxy(t.Context(), netip.MustParseAddrPort(at), netip.MustParseAddrPort("127.0.0.1:1")); err == nil {
			i.Close()
			t.Errorf("%s: it listens", at)
		} else if !strings.Contains(err.Error(), "loopback") {
			t.Errorf("%s: %v", at, err)
		}
	}
	at, ended := recorder(t, nil)
	i := between(t, at)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", i.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	seen(t, i, probe.ProxyCounts{Connections: 1})
	i.Close()
	<-ended
	if again, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", i.Addr()); err == nil {
		_ = again.Close()
		t.Error("it still listens")
	}
}
