package enginetest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
)

// copyInCheck: CopyIn writes files with mode, owner and content into a node that was never started, that runs, and that has ended.
func copyInCheck(ctx context.Context, t T, l *lab) {
	n := l.node("copied")
	folder := path.Join(l.home(n), "in")
	n.Files = append(n.Files,
		engine.File{Path: folder, Mode: fs.ModeDir | 0o700, Owner: owner(n)},
		engine.File{Path: folder + "/key.pem", Mode: 0o644, Owner: owner(n), Data: []byte("first, and longer than all others")},
		engine.File{Path: folder + "/other", Mode: 0o600, Owner: owner(n), Data: []byte("other")},
	)
	user := ""
	write := func(text string) {
		must(t, l.Engine.CopyIn(ctx, n.Ref, []engine.File{
			{Path: folder + "/key.pem", Mode: 0o600, Owner: owner(n), Data: []byte(text)},
			{Path: folder + "/" + text, Mode: fs.ModeDir | 0o750, Owner: owner(n)},
			{Path: folder + "/" + text + "/run", Mode: 0o755, Owner: owner(n), Data: []byte("#!/bin/sh\necho it is " + text + "\n")},
		}))
	}
	want := func(text string) {
		t.Helper()
		got := l.out(ctx, t, n, folder)
		maps.Copy(got, l.out(ctx, t, n, folder+"/"+text))
		if want := map[string]string{
			folder + "/key.pem": "-rw------- " + user + " " + text, folder + "/other": "-rw------- " + user + " other",
			folder + "/" + text + "/run": "-rwxr-xr-x " + user + " #!/bin/sh\necho it is " + text + "\n",
		}; !maps.Equal(got, want) {
			t.Errorf("%s: %q is there, want %q", text, got, want)
		}
	}
	l.create(ctx, t, n)
	write("created")
	l.start(ctx, t, n)
	user = strings.TrimSpace(l.wantExec(ctx, t, n, "id", "-u"))
	want("created")
	write("running")
	want("running")
	if said := l.wantExec(ctx, t, n, folder+"/running/run") + l.wantExec(ctx, t, n, "stat", "-c", "%a", folder+"/running"); said != "it is running\n750\n" {
		t.Errorf("a copied program and the mode of its folder: %q", said)
	}
	must(t, l.Engine.Kill(ctx, n.Ref))
	write("ended")
	want("ended")
	l.start(ctx, t, n)
	want("ended")
	l.wantNoFolder(ctx, t, n, folder)
}

// wantNoFolder checks that CopyIn makes no folder that it was not asked to make.
func (l *lab) wantNoFolder(ctx context.Context, t T, n engine.Node, folder string) {
	t.Helper()
	file := engine.File{Path: folder + "/none/file", Mode: 0o600, Owner: owner(n)}
	for _, r := range []engine.Ref{n.Ref, l.ref("unknown")} {
		if err := l.Engine.CopyIn(ctx, r, []engine.File{file}); !errors.Is(err, engine.ErrNotFound) || !strings.Contains(err.Error(), r.String()) {
			t.Errorf("into a folder of %s that is missing: %v, want an error that wraps ErrNotFound and names the node", r, err)
		}
	}
	if files, err := l.Engine.CopyOut(ctx, n.Ref, path.Dir(file.Path)); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("the missing folder has %v, %v", files, err)
	}
}

// copyInWhole: a reader of a file that CopyIn replaces sees the old content or the new one.
func copyInWhole(ctx context.Context, t T, l *lab) {
	const size = 20000
	const script = `last=; while :; do
		text=$(cat "$0" 2>&1)
		case $text in a*) first=a ;; b*) first=b ;; c*) first=c ;; *) first=d ;; esac
		case $text in *[!$first]*) text=mixed ;; esac
		if [ ${#text} -ne 20000 ]; then echo torn; elif [ $first != "$last" ]; then echo $first; last=$first; fi
	done`
	n := l.node("read")
	file := engine.File{Path: path.Join(l.home(n), "file"), Mode: 0o600, Owner: owner(n), Data: []byte(strings.Repeat("a", size))}
	n.Files = append(n.Files, file)
	n.Command = []string{"sh", "-c", script, file.Path}
	l.started(ctx, t, n)
	seen := "a\n"
	l.wantLog(ctx, t, n, seen)
	for _, letter := range []string{"b", "c", "d"} {
		file.Data = []byte(strings.Repeat(letter, size))
		must(t, l.Engine.CopyIn(ctx, n.Ref, []engine.File{file}))
		seen += letter + "\n"
		l.wantLog(ctx, t, n, seen)
	}
}

// reloadCheck: Reload sends SIGHUP to the program, each time, and not to its child.
func reloadCheck(ctx context.Context, t T, l *lab) {
	const script = `cd "$0"
		sh -c 'trap "echo the child is reloaded" HUP; trap "echo the child is asked" USR1; echo $$ >pid; echo child; while :; do sleep 0.05; done' &
		trap "echo reloaded" HUP; until [ -s pid ]; do sleep 0.05; done; echo program; while :; do sleep 0.05; done`
	n := l.node("reloaded")
	n.Command = []string{"sh", "-c", script, l.home(n)}
	l.create(ctx, t, n)
	if l.Engine.Reload(ctx, n.Ref) == nil {
		t.Errorf("reload of a node that was not started is no error")
	}
	l.start(ctx, t, n)
	seen := "child\nprogram\n"
	l.wantLines(ctx, t, n, seen)
	for range 2 {
		must(t, l.Engine.Reload(ctx, n.Ref))
		// A shell calls the traps of pending signals in the order of their numbers: SIGHUP would be before SIGUSR1.
		seen += "reloaded\n"
		l.wantLines(ctx, t, n, seen)
		l.wantExec(ctx, t, n, "sh", "-c", `kill -s USR1 "$(cat "$0")"`, path.Join(l.home(n), "pid"))
		seen += "the child is asked\n"
		l.wantLines(ctx, t, n, seen)
	}
	must(t, l.Engine.Kill(ctx, n.Ref))
	if l.Engine.Reload(ctx, n.Ref) == nil {
		t.Errorf("reload of a node that has ended is no error")
	}
}

// wantLines waits until the log is that one.
func (l *lab) wantLines(ctx context.Context, t T, n engine.Node, want string) {
	t.Helper()
	eventually(ctx, t, fmt.Sprintf("the log of %s is %q", n.Ref, want), func() string {
		text, err := l.log(ctx, n)
		if err != nil || text != want {
			return fmt.Sprintf("%q, %v", text, err)
		}
		return ""
	})
}

// restarted is a program that starts a child, once, and takes its time to end.
const restarted = `cd "$0"; [ -s child ] || { sleep 100000 & echo $! >child; }
	trap 'echo asked; until [ -e go ]; do sleep 0.05; done; exit 7' TERM; echo $$ >program; echo up; while :; do sleep 0.05; done`

// restartCheck: RestartProgram ends the program with SIGTERM and starts it again. Its child, its files, its published ports, its log and
// who follows it go on.
func restartCheck(ctx context.Context, t T, l *lab) {
	n := l.node("restarted")
	n.Command = []string{"sh", "-c", restarted, l.home(n)}
	before := l.started(ctx, t, n)
	l.wantLog(ctx, t, n, "up\n")
	child, program := l.pid(ctx, t, n, "child"), l.pid(ctx, t, n, "program")
	logs, err := l.Engine.Logs(ctx, n.Ref, true)
	must(t, err)
	defer func() { _ = logs.Close() }()
	heard := bufio.NewScanner(logs)
	l.wantHeard(t, heard, "up")
	l.letGoOn(ctx, t, n)
	after, err := l.Engine.RestartProgram(ctx, n.Ref, engine.Restart{Grace: deadline.Hang})
	must(t, err)
	if !after.Running || after.ID != before.ID || after.Address != before.Address || !maps.Equal(after.Endpoints, before.Endpoints) || !after.Started.Equal(before.Started) {
		t.Errorf("after it: running %v, at %s, endpoints %v; before: %v, %s, %v", after.Running, after.Address, after.Endpoints, before.Running, before.Address, before.Endpoints)
	}
	l.wantLog(ctx, t, n, "up\nasked\nup\n")
	l.wantHeard(t, heard, "asked")
	l.wantHeard(t, heard, "up")
	if now := l.pid(ctx, t, n, "program"); now == program {
		t.Errorf("the program is process %d, as before", now)
	}
	if now := l.pid(ctx, t, n, "child"); now != child {
		t.Errorf("the child was process %d, and is %d", child, now)
	}
	if code, err := l.Engine.Exec(ctx, n.Ref, engine.Command{Args: []string{"sh", "-c", `kill -0 "$0"`, strconv.Itoa(child)}}); err != nil || code != 0 {
		t.Errorf("the program's child has ended: code %d, %v", code, err)
	}
	must(t, l.Engine.Stop(ctx, n.Ref, deadline.Hang))
	wantDown(t, l.state(ctx, t, n), 7)
}

// pid returns the number that a node's program has written into a file.
func (l *lab) pid(ctx context.Context, t T, n engine.Node, file string) int {
	t.Helper()
	number, err := strconv.Atoi(strings.TrimSpace(l.wantExec(ctx, t, n, "cat", path.Join(l.home(n), file))))
	must(t, err)
	return number
}

// wantHeard checks the next line that a follower reads.
func (l *lab) wantHeard(t T, lines *bufio.Scanner, want string) {
	t.Helper()
	if !lines.Scan() || lines.Text() != want {
		t.Fatalf("a follower reads %q, %v, want %q", lines.Text(), lines.Err(), want)
	}
}

// restartEnds: RestartProgram kills a program that ignores SIGTERM after its grace. The exit code of one that ends at once is the
// node's. A node that does not run is an error.
func restartEnds(ctx context.Context, t T, l *lab) {
	const grace = time.Second
	const script = `cd "$0"; [ ! -e once ] || exit 5; [ ! -e go ] || touch once; trap "" TERM; echo deaf; while :; do sleep 0.05; done`
	n := l.node("deaf-to-restart")
	n.Command = []string{"sh", "-c", script, l.home(n)}
	l.create(ctx, t, n)
	if _, err := l.Engine.RestartProgram(ctx, n.Ref, engine.Restart{Grace: grace}); err == nil {
		t.Errorf("restart of a node that was not started is no error")
	}
	l.start(ctx, t, n)
	l.wantLog(ctx, t, n, "deaf\n")
	l.letGoOn(ctx, t, n)
	began := time.Now()
	s, err := l.Engine.RestartProgram(ctx, n.Ref, engine.Restart{Grace: grace})
	if took := time.Since(began); err != nil || !s.Running || took < grace {
		t.Fatalf("the program is restarted after %s, before its grace of %s, or not at all: %+v, %v", took, grace, s, err)
	}
	l.wantLog(ctx, t, n, "deaf\ndeaf\n")
	if _, err = l.Engine.RestartProgram(ctx, n.Ref, engine.Restart{}); err != nil {
		t.Errorf("a program that ends at once: %v", err)
	}
	eventually(ctx, t, "the node has ended with its program", func() string {
		if s := l.state(ctx, t, n); s.Running || s.ExitCode != 5 {
			return fmt.Sprintf("running: %v, code %d, want 5", s.Running, s.ExitCode)
		}
		return ""
	})
	wantDown(t, l.state(ctx, t, n), 5)
	if _, err := l.Engine.RestartProgram(ctx, n.Ref, engine.Restart{Grace: grace}); err == nil {
		t.Errorf("restart of a node that has ended is no error")
	}
}

// restartServes: the service of a node whose program was restarted answers at the endpoint from before. A paused node is an error.
func restartServes(ctx context.Context, t T, l *lab) {
	n := l.service("serves-again")
	before := l.started(ctx, t, n)
	answers(ctx, t, before, n)
	after, err := l.Engine.RestartProgram(ctx, n.Ref, engine.Restart{Grace: deadline.Hang})
	must(t, err)
	if !maps.Equal(after.Endpoints, before.Endpoints) {
		t.Errorf("its endpoints are %v, and were %v", after.Endpoints, before.Endpoints)
	}
	answers(ctx, t, before, n)
	must(t, l.Engine.Pause(ctx, n.Ref))
	if _, err := l.Engine.RestartProgram(ctx, n.Ref, engine.Restart{}); err == nil {
		t.Errorf("restart of a paused node is no error")
	}
	must(t, l.Engine.Resume(ctx, n.Ref))
	answers(ctx, t, before, n)
}

// restartReplaces: RestartProgram replaces the binary of a node, which keeps it in later starts.
func restartReplaces(ctx context.Context, t T, l *lab) {
	mark := rand.Text() // is in no other program
	const script = `trap "exit 7" TERM; if grep -q "$0" "$(command -v nomad)"; then echo new; else echo old; fi; while :; do sleep 0.05; done`
	n := l.node("replaced")
	n.Command = []string{"sh", "-c", script, mark}
	folder, err := os.MkdirTemp("", "enginetest-")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(folder)) })
	binary := filepath.Join(folder, "nomad-of-another-version")
	must(t, os.WriteFile(binary, []byte("#!/bin/sh\n# "+mark+"\n"), 0o600))
	l.started(ctx, t, n)
	l.wantLog(ctx, t, n, "old\n")
	for what, path := range map[string]string{"is missing": binary + ".none", "is no program": binary} {
		if _, err := l.Engine.RestartProgram(ctx, n.Ref, engine.Restart{Grace: deadline.Hang, Binary: path}); err == nil || !l.state(ctx, t, n).Running {
			t.Errorf("a binary that %s: %v, want an error, and that the node goes on", what, err)
		}
	}
	must(t, os.Chmod(binary, 0o755)) //nolint:gosec // it is a program
	s, err := l.Engine.RestartProgram(ctx, n.Ref, engine.Restart{Grace: deadline.Hang, Binary: binary})
	if err != nil || !s.Running {
		t.Fatalf("running: %v, %v", s.Running, err)
	}
	l.wantLog(ctx, t, n, "old\nnew\n")
	must(t, l.Engine.Stop(ctx, n.Ref, deadline.Hang))
	l.start(ctx, t, n)
	l.wantLog(ctx, t, n, "old\nnew\nnew\n")
	_, err = l.Engine.RestartProgram(ctx, n.Ref, engine.Restart{Grace: deadline.Hang})
	must(t, err)
	l.wantLog(ctx, t, n, "old\nnew\nnew\nnew\n")
}
