package docker_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/docker"
)

// fakeDaemon lists one container and answers its inspection with that status.
func fakeDaemon(t *testing.T, status int) *docker.Engine {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Api-Version", "1.44")
		labels := map[string]string{"nomadlab.lab": "demo", "nomadlab.node": "server-1"}
		switch {
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			_ = json.NewEncoder(w).Encode([]map[string]any{{"Id": "abc", "Labels": labels}})
		case strings.HasSuffix(r.URL.Path, "/containers/abc/json"):
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]any{"Id": "abc", "message": "it said", "Config": map[string]any{"Labels": labels}})
		}
	}))
	t.Cleanup(server.Close)
	c, err := client.New(client.WithHost(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return docker.On(c)
}

// TestNodesReturnsErrors: a container that was removed in the meantime is left out, but a daemon that does not answer is an
// error. Otherwise a lab's name would look free while the lab runs.
func TestNodesReturnsErrors(t *testing.T) {
	if states, err := fakeDaemon(t, http.StatusInternalServerError).Nodes(t.Context(), "demo"); err == nil {
		t.Errorf("the daemon failed, and the lab has %d nodes", len(states))
	}
	if states, err := fakeDaemon(t, http.StatusNotFound).Nodes(t.Context(), "demo"); err != nil || len(states) != 0 {
		t.Errorf("the container went: %v, %v", states, err)
	}
	if states, err := fakeDaemon(t, http.StatusOK).Nodes(t.Context(), "demo"); err != nil || len(states) != 1 || states[0].String() != "demo/server-1" {
		t.Errorf("the container is there: %v, %v", states, err)
	}
}

// TestStopGracePeriod: Stop gives the daemon its grace period, whose own default is ten seconds.
func TestStopGracePeriod(t *testing.T) {
	asked := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.44")
		if strings.HasSuffix(r.URL.Path, "/stop") {
			asked <- r.URL.Query().Get("t")
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	t.Cleanup(server.Close)
	c, err := client.New(client.WithHost(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	for grace, want := range map[time.Duration]string{time.Second: "1", 90 * time.Second: "90", 0: "0"} {
		if err := docker.On(c).Stop(t.Context(), engine.Ref{Lab: "demo", Node: "server-1"}, grace); err != nil {
			t.Fatal(err)
		}
		if got := <-asked; got != want {
			t.Errorf("for a grace of %s the daemon is told %q seconds, want %q", grace, got, want)
		}
	}
}
