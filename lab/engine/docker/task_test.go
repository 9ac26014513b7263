package docker_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
)

func (w world) task(script string, s engine.Streams) engine.Task {
	n := engine.Node{Ref: engine.Ref{Lab: w.lab}, Image: w.image, Command: []string{"/bin/sh", "-c", script}, User: "1000:1000"}
	return engine.Task{Node: n, Streams: s}
}

func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, s := range allSpoken() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			task := w.task(s.script, s.streams(&out, &errs))
			task.Environment = s.environment
			code, err := w.Run(t.Context(), task)
			s.demand(t, code, err, out.String(), errs.String())
		})
	}
	t.Cleanup(func() {
		if n := w.leftovers(context.Background(), t); n != 1 {
			t.Errorf("%d containers and networks are left behind the tasks, want the network alone", n)
		}
	})
}

// TestTaskHasAPlaceOfItsOwn with its files, confined, on the lab's network, and no node of the lab.
func TestTaskHasAPlaceOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answers(t, w.started(t, w.service("one", 1)).Endpoints[8080], "one")
	var out bytes.Buffer
	task := w.task(`pwd; cat file; id -u; grep CapBnd /proc/self/status; wget -q -O - http://one:8080/`, engine.Streams{Stdout: &out})
	task.Folder = "/place"
	task.Files = []engine.File{{Path: "/place/file", Mode: 0o600, Owner: 1000, Data: []byte("content\n")}}
	code, err := w.Run(t.Context(), task)
	if want := "/place\ncontent\n1000\nCapBnd:\t0000000000000000\nI am one"; err != nil || code != 0 || out.String() != want {
		t.Errorf("code %d, %v, said %q, want %q", code, err, out.String(), want)
	}
}

// TestTaskEndsWithItsContext: an interrupted one is removed, and while it runs it is open to nobody, whatever ports its
// image declares.
func TestTaskEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.image = w.imageThatDeclaresPorts(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	published := -1
	look := onWrite(func() {
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
	_, err := w.Run(ctx, w.task("echo here; sleep 600", engine.Streams{Stdout: look}))
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

// imageThatDeclaresPorts is the lab's image with an EXPOSE, removed at the end.
func (w world) imageThatDeclaresPorts(t *testing.T) string {
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

func TestTaskThatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, spoil := range map[string]func(*engine.Task){
		"no such image":   func(task *engine.Task) { task.Image = "nomadlab/no-such-image:0" },
		"no such program": func(task *engine.Task) { task.Command = []string{"/no/such"} },
		"no such network": func(task *engine.Task) { task.Lab = labName() },
	} {
		task := w.task("exit 0", engine.Streams{})
		if code, err := w.Run(t.Context(), task); err != nil || code != 0 {
			t.Fatalf("the control: code %d, %v", code, err)
		}
		spoil(&task)
		if code, err := w.Run(t.Context(), task); err == nil {
			t.Errorf("%s: code %d and no error", name, code)
		}
	}
	if n := w.leftovers(t.Context(), t); n != 1 {
		t.Errorf("%d containers and networks are left, want the network alone", n)
	}
}
