package lab_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/spec"
)

// empty is an engine that has no labs.
type empty struct {
	engine.Engine
	name, host, folder string
}

func (e empty) Name() string                                           { return e.name }
func (e empty) DockerHost() string                                     { return e.host }
func (e empty) Site() engine.Site                                      { return engine.Site{Folder: e.folder} }
func (empty) Footprint(string, string) engine.Footprint                { return engine.Footprint{} }
func (empty) Labs(context.Context) (map[string]engine.LabState, error) { return nil, nil }
func (empty) Remove(context.Context, string) error                     { return nil }

// Occupied ends every start.
func (empty) Occupied(context.Context) ([]netip.Prefix, error) { return nil, errors.New("enough") }

// TestRemoveLeavesTheKeysOfLabsElsewhere: an engine that has no such lab says nothing about one that another has.
func TestRemoveLeavesTheKeysOfLabsElsewhere(t *testing.T) {
	docker := empty{name: "docker", host: "unix:///here.sock"}
	for _, c := range []struct {
		name  string
		asked empty
		stays bool
	}{
		{"the same engine", docker, false},
		{"another engine", empty{name: "process", folder: "/tmp/nomadlab-0"}, true},
		{"another daemon", empty{name: "docker", host: "unix:///there.sock"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", t.TempDir())
			f := state.FolderOf("demo", "0a1b2c3d")
			owner, err := f.Make()
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Remove(owner.Path()), owner.Close()); err != nil { // the lab is kept
				t.Fatal(err)
			}
			plan := spectest.Plan(t, spec.Spec{Name: "demo"})
			if err := f.Write(state.Record{Run: "0a1b2c3d", Plan: plan, Engine: docker.name, Site: docker.host}); err != nil {
				t.Fatal(err)
			}
			err = lab.Remove(t.Context(), c.asked, "demo")
			_, lost := os.Stat(f.RecordFile())
			if stays := lost == nil; stays != c.stays || errors.Is(err, lab.ErrElsewhere) != c.stays || c.stays && !strings.Contains(err.Error(), "--engine docker down demo") {
				t.Errorf("the folder stays: %v, want %v (%v)", stays, c.stays, err)
			}
			_, err = lab.Up(t.Context(), c.asked, spec.Spec{Name: "demo"}, lab.UpOptions{})
			if errors.Is(err, spec.ErrTaken) != c.stays {
				t.Errorf("the name is taken: want %v, got %v", c.stays, err)
			}
		})
	}
}

// expiring is an engine with one lab, which a start may remove or leave alone.
type expiring struct {
	empty
	labels map[string]string
}

func (e *expiring) Labs(context.Context) (map[string]engine.LabState, error) {
	if e.labels == nil {
		return nil, nil
	}
	return map[string]engine.LabState{"demo": {Labels: e.labels}}, nil
}

func (e *expiring) Remove(context.Context, string) error {
	e.labels = nil
	return nil
}

func (e *expiring) Nodes(context.Context, string) ([]engine.State, error) {
	return []engine.State{{Ref: engine.Ref{Lab: "demo", Node: "server-1"}, Running: true}}, nil
}

// keptElsewhere makes the folder of a lab of another state folder than ours, and its labels.
func keptElsewhere(t *testing.T) (f state.Folder, die func(), labels map[string]string) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	f = state.FolderOf("demo", "0a1b2c3d")
	owner, err := f.Make()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Close() })
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	return f, func() { _ = owner.Close() }, map[string]string{"run": "0a1b2c3d", "folder": f.Path}
}

// TestExpiredLabOfAnotherStateFolder goes when its owner has ended, and is left alone while the owner lives or may live. What
// becomes of it is reported.
func TestExpiredLabOfAnotherStateFolder(t *testing.T) {
	for _, c := range []struct {
		name string
		// change makes it so.
		change func(t *testing.T, f state.Folder, die func(), labels map[string]string)
		stays  bool
		says   string
	}{
		{"its owner lives", func(*testing.T, state.Folder, func(), map[string]string) {}, true, ""},
		{"its owner has ended", func(_ *testing.T, _ state.Folder, die func(), _ map[string]string) { die() }, false, "has been removed"},
		{"its folder is not to be seen", func(t *testing.T, f state.Folder, die func(), _ map[string]string) {
			die()
			if err := os.RemoveAll(f.Path); err != nil {
				t.Fatal(err)
			}
		}, true, "and stays"},
		{"nothing says where it is kept", func(_ *testing.T, _ state.Folder, die func(), labels map[string]string) {
			die()
			delete(labels, "folder")
		}, true, "and stays"},
		{"its time is not over", func(_ *testing.T, _ state.Folder, die func(), labels map[string]string) {
			die()
			labels["expires"] = time.Now().Add(time.Hour).Format(time.RFC3339)
		}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, die, labels := keptElsewhere(t)
			labels["expires"] = time.Now().Add(-time.Hour).Format(time.RFC3339)
			c.change(t, f, die, labels)
			e, told := &expiring{labels: labels}, ""
			if err := lab.RemoveExpired(t.Context(), e, func(e lab.Event) { told += e.Text }); err != nil {
				t.Fatal(err)
			}
			if stays := e.labels != nil; stays != c.stays || (told == "") != (c.says == "") || !strings.Contains(told, c.says) {
				t.Errorf("it stays: %v, want %v; told %q, want what has %q in it", stays, c.stays, told, c.says)
			}
		})
	}
}

// TestLabOfAnotherStateFolder can be opened with that folder; with another one the error says where it is, and not that it is damaged.
func TestLabOfAnotherStateFolder(t *testing.T) {
	f, _, labels := keptElsewhere(t)
	e := &expiring{labels: labels}
	_, err := lab.Open(t.Context(), e, "demo")
	state, _, _ := strings.Cut(f.Path, "/nomadlab/labs/")
	if !errors.Is(err, spec.ErrOtherState) || !errors.Is(err, spec.ErrInvalid) || errors.Is(err, spec.ErrDamaged) ||
		!strings.Contains(err.Error(), "`XDG_STATE_HOME="+state+" nomadlab status demo`") || strings.Contains(err.Error(), "down") {
		t.Errorf("with another state folder: %v", err)
	}
	list, err := lab.List(t.Context(), e)
	if err != nil || list[0].KeptIn != f.Path || list[0].FolderLost != "" {
		t.Errorf("it is listed as %+v, %v", list, err)
	}
	t.Setenv("XDG_STATE_HOME", state) // the control: there it has a folder, in which nothing is written yet
	if _, err := lab.Open(t.Context(), e, "demo"); errors.Is(err, spec.ErrOtherState) || !errors.Is(err, spec.ErrDamaged) {
		t.Errorf("with its own: %v", err)
	}
	if list, err := lab.List(t.Context(), e); err != nil || list[0].KeptIn != "" || list[0].FolderLost == "" {
		t.Errorf("with its own it is listed as %+v, %v", list, err)
	}
}
