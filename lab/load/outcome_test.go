package load_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab/load"
)

// TestOutcomes calls real listeners with Nomad's own client, and wants the outcome of what it returns.
func TestOutcomes(t *testing.T) {
	answer := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	cut := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	plain := func(h http.HandlerFunc) func(t *testing.T) string {
		return func(t *testing.T) string {
			s := httptest.NewServer(h)
			t.Cleanup(s.Close)
			return s.URL
		}
	}
	secure := func(h http.HandlerFunc) func(t *testing.T) string {
		return func(t *testing.T) string {
			s := httptest.NewUnstartedServer(h)
			s.Config.ErrorLog = nil
			s.StartTLS()
			t.Cleanup(s.Close)
			return s.URL
		}
	}
	for name, test := range map[string]struct {
		address func(t *testing.T) string
		want    load.Outcome
	}{
		"an answer":              {plain(answer(200, `{}`)), load.OK},
		"denied":                 {plain(answer(403, "Permission denied")), load.Denied},
		"no token":               {plain(answer(401, "")), load.Denied},
		"denied by a server":     {plain(answer(500, "rpc error: Permission denied")), load.Denied},
		"throttled":              {plain(answer(429, "")), load.Throttled},
		"no leader":              {plain(answer(500, "No cluster leader")), load.NoLeader},
		"no leader any more":     {plain(answer(500, "node is not the leader")), load.NoLeader},
		"a call between servers": {plain(answer(500, "rpc error: EOF")), load.ServerError},
		"a gateway":              {plain(answer(502, "")), load.ServerError},
		"not found":              {plain(answer(404, "")), load.Refused},
		"a connection cut":       {plain(cut), load.Cut},
		"no answer":              {plain(hang), load.TimedOut},
		"nothing listens":        {func(t *testing.T) string { return "http://" + freed(t) }, load.NotReached},
		"an unknown authority":   {secure(answer(200, `{}`)), load.TLSFailed},
		"HTTP to HTTPS":          {func(t *testing.T) string { return strings.Replace(secure(answer(200, ""))(t), "https:", "http:", 1) }, load.WrongScheme},
		"HTTPS to HTTP":          {func(t *testing.T) string { return strings.Replace(plain(answer(200, ""))(t), "http:", "https:", 1) }, load.WrongScheme},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := api.NewClient(&api.Config{Address: test.address(t), HttpClient: &http.Client{Transport: &http.Transport{}}})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if test.want == load.TimedOut {
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			defer cancel()
			var out any
			_, err = c.Raw().Query("/v1/agent/health", &out, (&api.QueryOptions{}).WithContext(ctx))
			if got := load.OutcomeOf(err); got != test.want {
				t.Errorf("%q, want %q: %v", got, test.want, err)
			}
		})
	}
	if got := load.OutcomeOf(fmt.Errorf("write: %w", api.ErrCASConflict{Conflict: &api.Variable{}})); got != load.Conflict {
		t.Errorf("%q for a conflict", got)
	}
	if got := load.OutcomeOf(errors.New("something else")); got != load.Failed {
		t.Errorf("%q for an unknown error", got)
	}
}

// freed returns an address at which nothing listens any more.
func freed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
