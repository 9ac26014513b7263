package docker_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/docker"
)

// script returns a node that runs a script.
func (w testLab) script(name string, number int, text string) engine.Node {
	n := w.service(name, number)
	n.Command = []string{"sh", "-c", text}
	return n
}

// says waits until the node's log is that one.
func (w testLab) says(t *testing.T, n engine.Node, want string) {
	t.Helper()
	eventually(t, n.Node+" says "+want, func() string {
		s, err := w.Client().ContainerInspect(t.Context(), "nomadlab-"+n.Lab+"-"+n.Node, client.ContainerInspectOptions{})
		if err != nil {
			return err.Error()
		}
		if said := w.output(t, s.Container.ID); said != want {
			return said
		}
		return ""
	})
}

// ended waits until the node has ended, and returns its exit code.
func (w testLab) ended(t *testing.T, name string) int {
	t.Helper()
	var s engine.State
	eventually(t, name+" has ended", func() string {
		if s = w.state(t, name); s.Running {
			return "it runs"
		}
		return ""
	})
	return s.ExitCode
}

// TestExitCodes: a container ends with its program, and with the program's exit code, and nothing is added to its log.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	for i, c := range []struct {
		name, script, log string
		code              int
	}{
		{"well", "echo out", "out\n", 0},
		{"badly", "exit 3", "", 3},
		{"by-signal", "kill -s SEGV $$", "", 139},
		{"killed", "kill -s KILL $$", "", 137},
		{"hung-up", "kill -s HUP $$", "", 129},
		{"with-child", "sleep 100000 & exit 4", "", 4},
	} {
		n := w.script(c.name, i, c.script)
		w.started(t, n)
		if code := w.ended(t, c.name); code != c.code {
			t.Errorf("%s: code %d, want %d", c.name, code, c.code)
		}
		w.says(t, n, c.log)
	}
	n := w.script("none", 20, "")
	n.Command = []string{"no-such-program"}
	w.started(t, n)
	if code := w.ended(t, "none"); code != 127 {
		t.Errorf("without a program: code %d, want 127", code)
	}
}

// TestStopAtOnce: a node that is stopped or reloaded at any moment of its start gets the signal, if its program runs.
func TestStopAtOnce(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	n := w.script("brief", 1, "exec sleep 100000")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.Create(t.Context(), n))
	for range 10 {
		_, err := w.Start(t.Context(), n.Ref)
		must(err)
		eventually(t, "its program is started", func() string {
			files, err := w.CopyOut(t.Context(), n.Ref, "/nomadlab")
			must(err)
			for _, f := range files {
				if f.Path == "/nomadlab/program" && len(f.Data) > 0 {
					return ""
				}
			}
			return "no program yet"
		})
		must(w.Stop(t.Context(), n.Ref, testTimeout))
		if code := w.state(t, "brief").ExitCode; code != 128+15 {
			t.Errorf("code %d, want that of SIGTERM", code)
		}
	}
}

// TestOrphansAreCollected: process 1 collects the processes that a task leaves behind.
func TestOrphansAreCollected(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	n := w.script("parent", 1, "i=0; while [ $i -lt 20 ]; do (sleep 0.01 &); i=$((i+1)); done; echo done; exec sleep 100000")
	w.started(t, n)
	w.says(t, n, "done\n")
	eventually(t, "no process has ended and is not collected", func() string {
		var out bytes.Buffer
		if code, err := w.Exec(t.Context(), n.Ref, engine.Command{Args: []string{"ps", "-o", "stat,comm"}, Streams: engine.Streams{Stdout: &out}}); err != nil || code != 0 {
			t.Fatalf("code %d, %v", code, err)
		}
		if strings.Contains(out.String(), "\nZ") || strings.Count(out.String(), " sleep\n") != 1 {
			return out.String()
		}
		return ""
	})
}

// TestRestartKillsWhatTheProgramSupervises: when a supervisor of the node's binary is killed, so is the binary, which would keep
// the node's ports.
func TestRestartKillsWhatTheProgramSupervises(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	n := w.script("supervised", 1, `trap "" TERM; httpd -f -p 8080 -h /www & sleep 100000 & echo up; while :; do sleep 0.05; done`)
	n.Program = "httpd"
	s := w.started(t, n)
	answers(t, s.Endpoints[8080], "supervised")
	if _, err := w.RestartProgram(t.Context(), n.Ref, engine.Restart{Grace: time.Second}); err != nil {
		t.Fatal(err)
	}
	w.says(t, n, "up\nup\n") // without "bind: Address already in use"
	answers(t, s.Endpoints[8080], "supervised")
	w.wantExec(t, n.Ref, "1\n2\n", "sh", "-c", `ps -o args | grep -c "^httpd"; ps -o args | grep -c "^sleep 100000"`)
}

// TestRestartNeedsTheSupervisor: a container with another process 1, as of Docker Compose, is left as it is.
func TestRestartNeedsTheSupervisor(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	created, err := w.Client().ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name:   "nomadlab-" + w.lab + "-composed",
		Config: &container.Config{Image: w.image, Entrypoint: []string{"sh", "-c"}, Cmd: []string{"exec sleep 100000"}, Labels: docker.Labels(w.lab, "composed", nil)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Client().ContainerStart(t.Context(), created.ID, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = w.RestartProgram(t.Context(), engine.Ref{Lab: w.lab, Node: "composed"}, engine.Restart{})
	if err == nil || !strings.Contains(err.Error(), "its program is process 1 of its container") || !w.state(t, "composed").Running {
		t.Errorf("%v, want an error, and that it goes on", err)
	}
}
