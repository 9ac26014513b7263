package docker_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
)

func (w testLab) task(script string, s engine.Streams) engine.Task {
	n := engine.Node{Ref: engine.Ref{Lab: w.lab}, Image: w.image, Command: []string{"/bin/sh", "-c", script}, User: "1000:1000"}
	return engine.Task{Node: n, Streams: s}
}

// TestTaskEndsWithItsContext: an interrupted task is removed. While it runs it publishes no port, whatever ports its image
// declares.
func TestTaskEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	w.image = w.imageWithPorts(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	published := -1
	test := onWrite(func() {
		defer cancel()
		filter := make(client.Filters).Add("label", "nomadlab.lab="+w.lab)
		list, err := w.Client().ContainerList(t.Context(), client.ContainerListOptions{Filters: filter})
		if err != nil || len(list.Items) != 1 {
			t.Errorf("while it runs: %v, %v", list.Items, err)
			return
		}
		published = 0
		for _, p := range list.Items[0].Ports {
			if p.PublicPort != 0 {
				published++
			}
		}
		if states, err := w.Nodes(t.Context(), w.lab); err != nil || len(states) != 0 {
			t.Errorf("the task is taken for a node: %v, %v", states, err)
		}
	})
	_, err := w.Run(ctx, w.task("echo here; sleep 600", engine.Streams{Stdout: test}))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if published != 0 {
		t.Errorf("%d ports of the task were published", published)
	}
	if n := w.leftovers(t.Context(), t); n != 1 {
		t.Errorf("%d containers and networks are left, want the network alone", n)
	}
}

// TestOfflineTask: an offline task has loopback alone, and the same task on the lab's network has more.
func TestOfflineTask(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	for offline, want := range map[bool]string{true: "lo:", false: "eth0: lo:"} {
		var out bytes.Buffer
		task := w.task("cat /proc/net/dev", engine.Streams{Stdout: &out})
		task.Offline = offline
		if code, err := w.Run(t.Context(), task); code != 0 || err != nil {
			t.Fatalf("offline %v: exit code %d, %v", offline, code, err)
		}
		devices := slices.DeleteFunc(strings.Fields(out.String()), func(word string) bool { return word != "lo:" && !strings.HasPrefix(word, "eth") })
		slices.Sort(devices)
		if got := strings.Join(devices, " "); got != want {
			t.Errorf("offline %v: the task has the devices %q, want %q", offline, got, want)
		}
	}
	if n := w.leftovers(t.Context(), t); n != 1 {
		t.Errorf("%d containers and networks are left, want the network alone", n)
	}
}

// imageWithPorts returns the lab's image with an EXPOSE. It is removed at the end.
func (w testLab) imageWithPorts(t *testing.T) string {
	t.Helper()
	if err := w.Create(t.Context(), w.service("base", 9)); err != nil {
		t.Fatal(err)
	}
	ref := "nomadlab-test/" + w.lab + ":1"
	_, err := w.Client().ContainerCommit(t.Context(), "nomadlab-"+w.lab+"-base", client.ContainerCommitOptions{
		Reference: ref, Changes: []string{"EXPOSE 4646", "EXPOSE 4647", `LABEL nomadlab.node=""`},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Remove(context.Background(), w.lab); err != nil {
			t.Error(err) // an image that a container uses stays
		}
		if _, err := w.Client().ImageRemove(context.Background(), ref, client.ImageRemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
	if _, err := w.Client().ContainerRemove(t.Context(), "nomadlab-"+w.lab+"-base", client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	return ref
}
