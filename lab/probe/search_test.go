package probe_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"nomadlab.internal/lab/probe"
)

// answers serves HTTPS, answers every request with these bytes, and closes.
func answers(t *testing.T, h credentials, head, body string) string {
	t.Helper()
	return listen(t, secured(h.tlsConfig(t), func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte(head + "\r\n\r\n" + body))
		_ = conn.Close()
	}))
}

// marker is what the tests search for.
const marker = "here-it-is"

func markerSearch() probe.AnswerSearch {
	return probe.AnswerSearch{For: "a marker", In: func(header http.Header, body []byte) (bool, string, error) {
		return header.Get("X-Marker") == marker || bytes.Contains(body, []byte(marker)), fmt.Sprintf("%d bytes", len(body)), nil
	}}
}

func TestHTTPSearch(t *testing.T) {
	const mega = 1 << 20
	h := newCredentials(t)
	sized := func(n int) string { return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d", n) }
	big := strings.Repeat("x", mega)
	tests := map[string]struct {
		at   string
		want probe.Outcome
		saw  string
	}{
		"in the body":                   {answers(t, h, sized(len(marker)), marker), probe.Found, "10 bytes"},
		"in the header":                 {answers(t, h, sized(0)+"\r\nX-Marker: "+marker, ""), probe.Found, "0 bytes"},
		"nowhere":                       {answers(t, h, sized(5), "empty"), probe.Absent, "5 bytes"},
		"nowhere, no length":            {answers(t, h, "HTTP/1.0 200 OK", "empty"), probe.Absent, "5 bytes"},
		"behind a redirection":          {answers(t, h, "HTTP/1.1 307 X\r\nLocation: /elsewhere\r\nContent-Length: 0", ""), probe.Failed, "307 X: it sends the caller on to /elsewhere"},
		"refused, and in the error":     {answers(t, h, fmt.Sprintf("HTTP/1.1 403 Forbidden\r\nContent-Length: %d", len(marker)), marker), probe.Denied, "403 Forbidden: " + marker},
		"failed":                        {answers(t, h, "HTTP/1.1 500 X\r\nContent-Length: 0", ""), probe.Failed, "500 X: "},
		"not there, as behind":          {answers(t, h, "HTTP/1.1 404 Not Found\r\nContent-Length: 7", "no such"), probe.Absent, "404 Not Found: no such"},
		"half an answer":                {answers(t, h, sized(100), "half"), probe.Failed, "the answer is not in the protocol's form"},
		"half an answer that has it":    {answers(t, h, sized(100), marker), probe.Found, "10 bytes"},
		"just not too long":             {answers(t, h, sized(mega), big), probe.Absent, "1048576 bytes"},
		"too long":                      {answers(t, h, sized(mega+1), big+"x"), probe.Failed, "the answer is not in the protocol's form"},
		"too long, no length":           {answers(t, h, "HTTP/1.0 200 OK", big+"x"), probe.Failed, "the answer is not in the protocol's form"},
		"far too long, no length":       {answers(t, h, "HTTP/1.0 200 OK", big+big), probe.Failed, "the answer is not in the protocol's form"},
		"far too long, marker far back": {answers(t, h, sized(2*mega+10), big+big+marker), probe.Failed, "the answer is not in the protocol's form"},
		"closed port":                   {closedPort(t), probe.NotReached, "no connection"},
	}
	p := probe.HTTPSearch(probe.Request{Path: "/", AcceptedErrors: []string{"no such"}}, probe.As(h.cli), markerSearch())
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := p.Observe(t.Context(), target(test.at))
			if o.Outcome != test.want || o.Received != test.saw {
				t.Errorf("outcome %q, received %q; want %q, %q: %s", o.Outcome, o.Received, test.want, test.saw, o.Err)
			}
		})
	}
	if want := "look for a marker: GET / over HTTPS with a certificate for cli.global.nomad"; p.Sentence != want {
		t.Errorf("sentence %q, want %q", p.Sentence, want)
	}
}

// TestFailuresWithNothingOrRetry: if others did not answer the agent in time, the observation asks for a Retry; if the agent has
// nothing of the kind, it has a Nothing. Any other failure has neither.
func TestFailuresWithNothingOrRetry(t *testing.T) {
	h := newCredentials(t)
	p := probe.HTTPSearch(probe.Request{
		Path: "/", RetryErrors: []string{"nodes reported success"}, Nothing: func(answer string) (none probe.Nothing) {
			if strings.Contains(answer, "nodes reported failure") {
				none.Why = "it has none"
			}
			return none
		},
	}, probe.As(h.cli), markerSearch())
	for head, want := range map[string]struct {
		late    bool
		nothing string
	}{
		"HTTP/1.1 500 X\r\nContent-Length: 26\r\n\r\n1/2 nodes reported success": {late: true},
		"HTTP/1.1 500 X\r\nContent-Length: 26\r\n\r\n1/2 nodes reported failure": {nothing: "it has none"},
		"HTTP/1.1 500 X\r\nContent-Length: 26\r\n\r\n1/2 nodes reported nothing": {},
		"HTTP/1.1 403 X\r\nContent-Length: 26\r\n\r\n1/2 nodes reported failure": {},
		"HTTP/1.1 200 X\r\nContent-Length: 26\r\n\r\n1/2 nodes reported success": {},
	} {
		if o := p.Observe(t.Context(), target(answers(t, h, head, ""))); o.Retry != want.late || o.Nothing.Why != want.nothing {
			t.Errorf("%q: outcome %q, worth another try %v, nothing %+v, want %+v", head, o.Outcome, o.Retry, o.Nothing, want)
		}
	}
}

// A refused caller has seen nothing, so nothing is Absent.
func TestHTTPSearchOfARefusedCaller(t *testing.T) {
	h := newCredentials(t)
	https := web(t, h.tlsConfig(t))
	p := probe.HTTPSearch(probe.Request{Path: "/ok"}, probe.Anonymous(h.server), markerSearch())
	if o := p.Observe(t.Context(), target(https)); o.Outcome != probe.RefusedInHandshake {
		t.Errorf("outcome %q: %+v", o.Outcome, o)
	}
}

// The searched body may be a key: only the description may stay.
func TestHTTPSearchDropsTheBody(t *testing.T) {
	h := newCredentials(t)
	https := web(t, h.tlsConfig(t))
	saw := ""
	p := probe.HTTPSearch(probe.Request{Path: "/ok"}, probe.As(h.cli), probe.AnswerSearch{
		For: "a key", In: func(_ http.Header, body []byte) (bool, string, error) { saw = string(body); return true, "a key", nil },
	})
	o := p.Observe(t.Context(), target(https))
	if saw != secret {
		t.Errorf("it looked at %q, so there was nothing to drop", saw)
	}
	if text := fmt.Sprintf("%+v", o); strings.Contains(text, secret) {
		t.Errorf("the answer's contents are in %s", text)
	}
}

// A search that returns an error is neither Found nor Absent.
func TestHTTPSearchThatFails(t *testing.T) {
	h := newCredentials(t)
	https := web(t, h.tlsConfig(t))
	for _, there := range []bool{true, false} {
		p := probe.HTTPSearch(probe.Request{Path: "/ok"}, probe.As(h.cli), probe.AnswerSearch{
			For: "a field", In: func(http.Header, []byte) (bool, string, error) { return there, "", errors.New("it is not told") },
		})
		if o := p.Observe(t.Context(), target(https)); o.Outcome != probe.Failed || o.Received != "it is not told" {
			t.Errorf("outcome %q, received %q", o.Outcome, o.Received)
		}
	}
}

// TestOtherOriginSearch: a permission that only a preflight gets is found. To a cluster of another version no preflight is sent,
// but a GET like that of a page of another site.
func TestOtherOriginSearch(t *testing.T) {
	h := newCredentials(t)
	search := probe.AnswerSearch{For: "leave", In: func(header http.Header, _ []byte) (bool, string, error) {
		return header.Get("Access-Control-Allow-Methods") != "", "headers", nil
	}}
	for name, c := range map[string]struct {
		more   bool
		bounds *probe.Bounds
		status string
		body   string
		want   probe.Outcome
		asked  string
	}{
		"of ours":                   {true, nil, "204 No Content", "", probe.Found, "OPTIONS"},
		"refused with leave":        {true, nil, "405 Method Not Allowed", "", probe.Found, "OPTIONS"},
		"broken":                    {true, nil, "500 X", "", probe.Failed, "OPTIONS"},
		"of a verified version":     {true, &probe.Bounds{Versions: []string{"1.11.3"}}, "204 No Content", "", probe.Found, "OPTIONS"},
		"of another version":        {true, &probe.Bounds{Versions: []string{"1.8.4"}}, "200 OK", "", probe.Absent, "GET"},
		"an agent that is not well": {false, nil, "500 X", `{"server":{"ok":false}}`, probe.Absent, "GET"},
		"one that fails":            {false, nil, "500 X", "", probe.Failed, "GET"},
		"leave to read, of ours":    {false, nil, "200 OK", "", probe.Absent, "GET"},
	} {
		t.Run(name, func(t *testing.T) {
			request := make(chan string, 1)
			at := listen(t, secured(h.tlsConfig(t), func(conn net.Conn) {
				text := make([]byte, 4096)
				n, _ := conn.Read(text)
				leave := ""
				if asked := string(text[:n]); strings.HasPrefix(asked, "OPTIONS") && strings.Contains(asked, "Access-Control-Request-Method: PUT") {
					leave = "Access-Control-Allow-Methods: PUT\r\n"
				}
				request <- string(text[:n])
				_, _ = conn.Write([]byte("HTTP/1.1 " + c.status + "\r\n" + leave + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(c.body), c.body)))
				_ = conn.Close()
			}))
			target := target(at)
			target.Bounds = c.bounds
			o := probe.OtherOriginSearch(c.more, probe.As(h.cli), search).Observe(t.Context(), target)
			sent := <-request
			if o.Outcome != c.want || !strings.HasPrefix(sent, c.asked+" ") || !strings.Contains(sent, "Origin: https://another-site.example") {
				t.Errorf("got %s (%s), want %s; sent %q", o.Outcome, o.Err, c.want, sent)
			}
		})
	}
}
