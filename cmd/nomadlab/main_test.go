package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/deadline"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
)

// asCommand in the environment makes this test binary the command.
const asCommand = "NOMADLAB_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// apart runs the command in a process of its own, which is gone when it returns.
func apart(t *testing.T, args ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("nomadlab %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// result is what one call of the command left.
type result struct {
	code      int
	out, errs string
}

// call runs the command in this process.
func call(t *testing.T, a *app, stdin string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := a.execute(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return result{code: code, out: out.String(), errs: errs.String()}
}

// must is call for what has to succeed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	r := call(t, newApp(), "", args...)
	if r.code != exitFine {
		t.Fatalf("nomadlab %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, r.errs)
	}
	return r.out
}

// contains fails the test unless the text has all the parts.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("no %q in:\n%s", p, text)
		}
	}
}

// fakeLabs are labs that exist in a fake engine alone.
type fakeLabs map[string]engine.LabState

// fakeEngine knows labs and removes them; everything else panics, as nothing that is tested with it may use it.
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
	delete(f.labs, lab)
	return nil
}

// faked is the command on an engine with labs of those names, one running server each.
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

// unused is a name that no other test's lab has.
func unused(t *testing.T) string {
	t.Helper()
	b := make([]byte, 3)
	_, _ = rand.Read(b)
	return "cmdtest-" + hex.EncodeToString(b)
}

// realEngine makes the commands of this test use that engine, and returns it. What the named lab leaves is removed when
// the test ends, and is a failure.
func realEngine(t *testing.T, k engines.Kind, labs ...string) engine.Engine {
	t.Helper()
	t.Setenv(engines.Variable, string(k))
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
