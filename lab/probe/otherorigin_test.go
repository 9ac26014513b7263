package probe_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"nomadlab.internal/lab/probe"
)

// TestOtherOriginLook: an agent that gives leave only to a browser's own question is seen to give it. To a cluster of another
// version no preflight is sent, but a GET as a page of another site sends it.
func TestOtherOriginLook(t *testing.T) {
	h := newHouse(t)
	look := probe.AnswerSearch{For: "leave", In: func(header http.Header, _ []byte) (bool, string, error) {
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
			o := probe.OtherOriginSearch(c.more, probe.As(h.cli), look).Observe(t.Context(), target)
			sent := <-request
			if o.Outcome != c.want || !strings.HasPrefix(sent, c.asked+" ") || !strings.Contains(sent, "Origin: https://another-site.example") {
				t.Errorf("got %s (%s), want %s; sent %q", o.Outcome, o.Err, c.want, sent)
			}
		})
	}
}
