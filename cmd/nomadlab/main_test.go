package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
)

// asCommand in the environment makes this test binary the command.
const asCommand = "NOMADLAB_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	flag.Parse()
	os.Exit(withHome(m))
}

// atOnce is how many tests run in parallel without -parallel. Tests on real clusters wait more than they compute.
const atOnce = 4

// sideBySide sets how many tests run at once.
func sideBySide() error {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return nil
	}
	return flag.Set("test.parallel", strconv.Itoa(max(atOnce, runtime.GOMAXPROCS(0))))
}

// withHome runs the tests with one state folder for all labs, whose names differ: parallel tests may not change the
// environment. The folder stays if a test fails, because it has the evidence.
func withHome(m *testing.M) int {
	home, err := os.MkdirTemp("", "cmdtest-")
	if err == nil {
		err = errors.Join(os.Setenv("XDG_STATE_HOME", home), os.Setenv("SHELL", "/bin/bash"), sideBySide())
	}
	code := 1
	if err == nil {
		code = m.Run()
	}
	if code == 0 {
		err = os.RemoveAll(home)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// contains fails the test unless the text has all parts.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("no %q in:\n%s", p, text)
		}
	}
}

// fakeLabs are the labs of a fakeEngine.
type fakeLabs map[string]engine.LabState

// fakeEngine lists and removes labs; everything else panics, because what is tested with it may not use it.
type fakeEngine struct {
	engine.Engine
	labs fakeLabs
}

func (f *fakeEngine) Name() string       { return "fake" }
func (f *fakeEngine) Close() error       { return nil }
func (f *fakeEngine) DockerHost() string { return "" }
func (f *fakeEngine) Site() engine.Site  { return engine.Site{Folder: "/tmp/fake"} }
func (f *fakeEngine) Labs(context.Context) (map[string]engine.LabState, error) {
	return maps.Clone(f.labs), nil
}
func (f *fakeEngine) Nodes(_ context.Context, lab string) ([]engine.State, error) {
	return f.labs[lab].Nodes, nil
}

func (f *fakeEngine) Remove(_ context.Context, lab string) error {
	if strings.HasPrefix(lab, "stuck") {
		return errors.New("it does not go")
	}
	delete(f.labs, lab)
	return nil
}

// faked returns the command with an engine that has labs of those names, one running server each.
func faked(t *testing.T, names ...string) (*app, fakeLabs) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	labs := fakeLabs{}
	for _, n := range names {
		labs[n] = engine.LabState{Nodes: []engine.State{{Ref: engine.Ref{Lab: n, Node: "server-1"}, Running: true}}}
	}
	a := newApp()
	a.connect = func(context.Context, engines.Kind) (*engines.Set, error) {
		return engines.New(&fakeEngine{labs: labs}), nil
	}
	return a, labs
}

// compose makes the lab one that Docker Compose brought up.
func (f fakeLabs) compose(name string) {
	state := f[name]
	state.Labels = map[string]string{"origin": "compose"}
	f[name] = state
}

// expire makes the lab one of a test or a scenario, which ends by itself.
func (f fakeLabs) expire(name string) {
	state := f[name]
	state.Labels = map[string]string{"expires": time.Now().Add(time.Hour).Format(time.RFC3339)}
	f[name] = state
}

func (f fakeLabs) names() []string { return slices.Sorted(maps.Keys(f)) }

// unused returns a name that no other test's lab has.
func unused(t *testing.T) string {
	t.Helper()
	b := make([]byte, 3)
	_, _ = rand.Read(b)
	return "cmdtest-" + hex.EncodeToString(b)
}

// realEngine returns that engine. When the test ends, remains of the named labs are removed, and are a failure.
func realEngine(t *testing.T, k engines.Kind, labs ...string) engine.Engine {
	t.Helper()
	set, err := engines.Open(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	e := set.Home()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline.Removal)
		defer cancel()
		for _, name := range labs {
			left, err := e.Nodes(ctx, name)
			if len(left) > 0 {
				t.Errorf("lab %s was left behind: %v", name, left)
			}
			if err := errors.Join(err, lab.Remove(ctx, e, name)); err != nil {
				t.Error(err)
			}
		}
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}
