package engines_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
)

// TestWithoutDocker runs without a Docker daemon. No test of this package may reach one, because testcontainers looks for
// one only once in a process.
func TestWithoutDocker(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+t.TempDir()+"/no.sock")
	t.Run("docker is refused", func(t *testing.T) {
		if _, err := engines.Open(t.Context(), engines.Docker); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
	})
	t.Run("auto takes processes and says so in a line", func(t *testing.T) {
		for _, k := range []engines.Kind{engines.Auto, ""} {
			s := open(t, k)
			if s.Home().Name() != "process" || len(s.Others()) != 0 {
				t.Errorf("%q: home is %s, others are %v", k, s.Home().Name(), s.Others())
			}
			for _, part := range []string{"agents run as processes on this machine", s.Home().Lacks(engine.Containment), "no.sock"} {
				if part == "" || !strings.Contains(s.Note(), part) || strings.Contains(s.Note(), "\n") {
					t.Errorf("%q: the note is %q, want one line that says %q", k, s.Note(), part)
				}
			}
		}
	})
	t.Run("process has nothing to explain", func(t *testing.T) {
		if s := open(t, engines.Process); s.Home().Name() != "process" || s.Note() != "" {
			t.Errorf("home is %s, the note is %q", s.Home().Name(), s.Note())
		}
	})
	t.Run("unknown", func(t *testing.T) {
		_, err := engines.Open(t.Context(), "podman")
		if !errors.Is(err, engines.ErrUnknown) || !strings.Contains(err.Error(), "[auto docker process]") {
			t.Errorf("got %v, want ErrUnknown with all that there are", err)
		}
	})
}

func open(t *testing.T, k engines.Kind) *engines.Set {
	t.Helper()
	s, err := engines.Open(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fake has labs and implements no other method.
type fake struct {
	engine.Engine
	name string
	labs map[string]engine.LabState
	err  error
}

func (f fake) Name() string                                             { return f.name }
func (f fake) Labs(context.Context) (map[string]engine.LabState, error) { return f.labs, f.err }

// one returns one lab.
func one(name, run string) map[string]engine.LabState {
	return map[string]engine.LabState{name: {Labels: map[string]string{"run": run}}}
}

// TestSeveralEngines: Of returns the engine that has the lab.
func TestSeveralEngines(t *testing.T) {
	home, other := fake{name: "home", labs: one("a", "1")}, fake{name: "other", labs: one("b", "2")}
	s := engines.New(home, other)
	for name, want := range map[string]string{"a": "home", "b": "other", "no engine's": "home"} {
		e, err := s.Of(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.(fake).name; got != want {
			t.Errorf("%s is looked for in %s, want %s", name, got, want)
		}
	}
	labs, err := s.Labs(t.Context())
	if err != nil || len(labs) != 2 || labs["a"].Labels["run"] != "1" || labs["b"].Labels["run"] != "2" {
		t.Errorf("labs are %v (%v)", labs, err)
	}
	both := engines.New(home, fake{name: "other", labs: one("a", "3")})
	if e, err := both.Of(t.Context(), "a"); !errors.Is(err, engines.ErrAmbiguous) {
		t.Errorf("both have lab a: got %v, %v", e, err)
	}
	broken := engines.New(home, fake{err: errors.New("no answer")})
	if _, err := broken.Labs(t.Context()); err == nil {
		t.Error("one engine does not answer, and there is no error")
	}
	if _, err := broken.Of(t.Context(), "b"); err == nil {
		t.Error("one engine does not answer, and the lab may be there")
	}
}
