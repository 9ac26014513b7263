package docker_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/docker"
)

// failingDaemon creates a container and then fails at everything except, perhaps, its removal.
type failingDaemon struct {
	removal     int
	message     string
	removed     *http.Request
	removedTill time.Time
}

func (d *failingDaemon) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := http.StatusInternalServerError, `{"message":"it is failingDaemon"}`
	switch {
	case r.Method == http.MethodDelete:
		d.removed = r
		d.removedTill, _ = r.Context().Deadline()
		status, body = d.removal, `{"message":"`+d.message+`"}`
	case strings.HasSuffix(r.URL.Path, "/containers/create"):
		status, body = http.StatusCreated, `{"Id":"abc"}`
	case strings.HasSuffix(r.URL.Path, "/_ping"):
		status, body = http.StatusOK, "OK"
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}, "Api-Version": {"1.44"}},
		Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

// TestTaskRemoval: a task is removed with its volumes, within a time, even if its own context has ended. If it is not
// removed, the caller gets an error.
func TestTaskRemoval(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status  int
		message string
		says    bool
	}{
		"removed":                    {http.StatusNoContent, "", false},
		"gone already":               {http.StatusNotFound, "No such container: abc", false},
		"removed by another request": {http.StatusConflict, "removal of container abc is already in progress", false},
		"not removed":                {http.StatusInternalServerError, "device or resource busy", true},
		"not removed for a conflict": {http.StatusConflict, "You cannot remove it", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &failingDaemon{removal: c.status, message: c.message}
			cl, err := client.New(client.WithHost("tcp://127.0.0.1:1"), client.WithHTTPClient(&http.Client{Transport: d}))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			task := engine.Task{Node: engine.Node{Image: "x", Command: []string{"prog"}, Files: []engine.File{{Path: "/f"}}}}
			_, err = docker.On(cl).Run(ctx, task)
			if err == nil || !strings.Contains(err.Error(), "it is failingDaemon") {
				t.Fatalf("the cause is lost: %v", err)
			}
			if said := strings.Contains(err.Error(), `remove the container of "prog"`); said != c.says {
				t.Errorf("tells of the removal: %v: %v", said, err)
			}
			if d.removed == nil {
				t.Fatal("no removal was tried")
			}
			if q := d.removed.URL.Query(); q.Get("v") != "1" || q.Get("force") != "1" {
				t.Errorf("removed with %s, want its volumes too, by force", d.removed.URL.RawQuery)
			}
			if left := time.Until(d.removedTill); left <= 0 || left > deadline.Removal {
				t.Errorf("the removal may take %s", left)
			}
		})
	}
}
