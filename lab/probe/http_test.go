package probe_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// recordedRequest is a request as the agent received it.
type recordedRequest struct{ Method, URI, Token, Body string }

// recordHTTP serves HTTPS, answers with the status and the text, and sends each request to the channel.
func recordHTTP(t *testing.T, h credentials, status int, text string) (probe.Target, <-chan recordedRequest) {
	t.Helper()
	requests := make(chan recordedRequest, 1)
	at := serveHTTPS(t, listenLimited(t, 20), h.tlsConfig(t), func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- recordedRequest{r.Method, r.RequestURI, r.Header.Get("X-Nomad-Token"), string(body)}
		http.Error(w, text, status)
	})
	return target(at), requests
}

func TestHTTPRequestIsSent(t *testing.T) {
	h := newCredentials(t)
	at, requests := recordHTTP(t, h, http.StatusOK, "")
	me := probe.As(h.cli)
	for _, test := range []struct {
		probe    probe.Probe
		want     recordedRequest
		sentence string
	}{
		{probe.HTTP("/v1/jobs?a=b", me), recordedRequest{"GET", "/v1/jobs?a=b", "", ""}, "GET /v1/jobs?a=b over HTTPS with " + me.String()},
		{probe.HTTPRequest(probe.Request{Method: "PUT", Path: "/v1/jobs", Body: `{"a":1}`}, me.WithToken(secret, "a management token")),
			recordedRequest{"PUT", "/v1/jobs", secret, `{"a":1}`}, "PUT /v1/jobs over HTTPS with " + me.String() + " and a management token"},
	} {
		o := test.probe.Observe(t.Context(), at)
		if diff := cmp.Diff(test.want, <-requests); diff != "" || o.Outcome != probe.Accepted {
			t.Errorf("%q (-want +got):\n%s", o.Outcome, diff)
		}
		if test.probe.Sentence != test.sentence {
			t.Errorf("sentence %q, want %q", test.probe.Sentence, test.sentence)
		}
	}
}

// The token is in no text that could be in a report.
func TestTokenIsInNoText(t *testing.T) {
	h := newCredentials(t)
	at, requests := recordHTTP(t, h, http.StatusForbidden, "Permission denied")
	as := probe.As(h.cli).WithToken(secret, "a token")
	p := probe.HTTP("/", as)
	o := p.Observe(t.Context(), at)
	if got := <-requests; got.Token != secret {
		t.Fatalf("the agent was told %q", got.Token)
	}
	for _, text := range []string{fmt.Sprint(as), fmt.Sprintf("%#v", as), p.Sentence, fmt.Sprintf("%+v", o)} {
		if strings.Contains(text, secret) {
			t.Errorf("the token is in %q", text)
		}
	}
}

func TestAcceptedErrors(t *testing.T) {
	h := newCredentials(t)
	for _, test := range []struct {
		status int
		text   string
		behind []string
		want   probe.Outcome
	}{
		{404, "job not found", []string{"404 Not Found: job not found"}, probe.Accepted},
		{500, "no such thing", []string{"another", "no such"}, probe.Accepted},
		{404, "job not found", nil, probe.Denied},
		{403, "Permission denied", []string{"job not found"}, probe.Denied},
		{500, "rpc error: Permission denied", []string{"job not found"}, probe.Denied},
		{500, "No cluster leader", []string{"job not found"}, probe.Failed},
		{302, "sign in first", []string{"sign in"}, probe.Failed},
		{429, "too many requests", []string{"too many"}, probe.Failed},
	} {
		at, _ := recordHTTP(t, h, test.status, test.text)
		p := probe.HTTPRequest(probe.Request{Path: "/", AcceptedErrors: test.behind}, probe.As(h.cli))
		if o := p.Observe(t.Context(), at); o.Outcome != test.want {
			t.Errorf("%d %s, behind %q: outcome %q, want %q", test.status, test.text, test.behind, o.Outcome, test.want)
		}
	}
}

func TestWithSearch(t *testing.T) {
	h := newCredentials(t)
	https := target(web(t, h.tlsConfig(t)))
	named := func(name string) probe.Search {
		return probe.Search{For: "the name " + name, In: func(o probe.Observation) (bool, string, error) {
			return slices.Contains(o.Served[0].DNSNames, name) && len(o.AcceptableCAs) == 1 && pki.NameText(o.AcceptableCAs[0]) == "CN=probe test CA", "names\n" + name, nil
		}}
	}
	blind := probe.Search{For: "anything", In: func(probe.Observation) (bool, string, error) { return true, "", errors.New("it is dark") }}
	nobody := probe.HTTP("/ok", probe.Anonymous(h.server))
	for _, test := range []struct {
		probe    probe.Probe
		want     probe.Outcome
		received string
	}{
		{probe.WithSearch(fetch(h), named("server.global.nomad")), probe.Found, "names server.global.nomad"},
		{probe.WithSearch(fetch(h), named("client.global.nomad")), probe.Absent, "names client.global.nomad"},
		{probe.WithSearch(fetch(h), blind), probe.Failed, ""},
		{probe.WithSearch(nobody, named("server.global.nomad")), probe.RefusedInHandshake, "TLS alert: certificate required"},
		{probe.WithSearch(probe.HTTP("/broken", probe.As(h.cli)), named("x")), probe.Failed, "500 Internal Server Error: No cluster leader"},
		{probe.WithSearch(probe.Probe{}, named("x")), probe.NotReached, ""},
		{probe.Unavailable(probe.PlaneHTTP, "there is no key"), probe.NotReached, ""},
	} {
		if o := test.probe.Observe(t.Context(), https); o.Outcome != test.want || o.Received != test.received {
			t.Errorf("%s: %q, %q; want %q, %q", test.probe.Sentence, o.Outcome, o.Received, test.want, test.received)
		}
	}
	p := probe.WithSearch(nobody, named("x"))
	if want := "look for the name x: " + nobody.Sentence; p.Sentence != want || p.Plane != probe.PlaneHTTP {
		t.Errorf("%s, sentence %q, want %q", p.Plane, p.Sentence, want)
	}
	none := probe.Unavailable(probe.PlaneRaft, "there is no key")
	if o := none.Observe(t.Context(), https); o.Err != "there is no key" || o.Plane != probe.PlaneRaft || none.IsZero() {
		t.Errorf("%+v", o)
	}
}
