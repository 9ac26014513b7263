package enginetest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"

	"nomadlab.internal/lab/engine"
)

// task returns a task that runs a script, in a run of its own.
func (l *lab) task(script string, s engine.Streams) engine.Task {
	n := engine.Node{Ref: engine.Ref{Lab: l.name}, Run: random(l.run + "-")}
	l.Prepare(&n)
	n.Command, n.Ports = []string{"sh", "-c", script}, nil
	return engine.Task{Node: n, Streams: s}
}

// taskFolderOf returns the task's own folder.
func (l *lab) taskFolderOf(task engine.Task) string {
	if site := l.Engine.Site(); !site.Contained() {
		return filepath.Join(site.Of(task.Run), "place")
	}
	return "/place"
}

// wantTraces checks that the lab has the same objects as before.
func (l *lab) wantTraces(ctx context.Context, t T, before []string) {
	t.Helper()
	if after := l.traces(ctx, t); !slices.Equal(before, after) {
		t.Errorf("before the tasks there was %q, and is now %q", before, after)
	}
}

// runCheck: Run returns the output and exit code of commands, and leaves nothing behind.
func runCheck(ctx context.Context, t T, l *lab) {
	before := l.traces(ctx, t)
	wantOutputs(t, func(s commandCase, streams engine.Streams) (int, error) {
		task := l.task(s.script, streams)
		task.Environment = append(task.Environment, s.environment...)
		return l.Engine.Run(ctx, task)
	})
	l.wantTraces(ctx, t, before)
}

// taskFolder: a task has a folder of its own with its files. While it runs it is neither a node nor a lab.
func taskFolder(ctx context.Context, t T, l *lab) {
	before := l.traces(ctx, t)
	nodes, err := l.Engine.Nodes(ctx, l.name)
	must(t, err)
	var out bytes.Buffer
	task := l.task(`pwd; cat file; stat -c %a . file`, engine.Streams{Stdout: writerFunc(func(p []byte) (int, error) {
		now, err := l.Engine.Nodes(ctx, l.name)
		labs, err2 := l.Engine.Labs(ctx)
		if err = errors.Join(err, err2); err != nil || len(now) != len(nodes) || len(labs[l.name].Nodes) != len(nodes) {
			t.Errorf("the task is taken for a node: %v, %v, %v", now, labs[l.name].Nodes, err)
		}
		for name, lab := range labs {
			if lab.Labels["run"] == labelOfTask {
				t.Errorf("the task is taken for lab %s", name)
			}
		}
		return out.Write(p)
	})})
	task.Labels = map[string]string{"run": labelOfTask}
	task.Folder = l.taskFolderOf(task)
	task.Files = []engine.File{
		{Path: task.Folder, Mode: fs.ModeDir | 0o710, Owner: owner(task.Node)},
		{Path: path.Join(task.Folder, "file"), Mode: 0o640, Owner: owner(task.Node), Data: []byte("content\n")},
	}
	code, err := l.Engine.Run(ctx, task)
	if want := task.Folder + "\ncontent\n710\n640\n"; err != nil || code != 0 || out.String() != want {
		t.Errorf("code %d, %v, said %q, want %q", code, err, out.String(), want)
	}
	l.wantTraces(ctx, t, before)
}

// labelOfTask is the run label of a task, which no lab has.
const labelOfTask = "the-run-of-a-task"

// taskRefused: a task that cannot run returns an error, and leaves nothing behind.
func taskRefused(ctx context.Context, t T, l *lab) {
	before := l.traces(ctx, t)
	if code, err := l.Engine.Run(ctx, l.task("exit 0", engine.Streams{})); err != nil || code != 0 {
		t.Fatalf("the control: code %d, %v", code, err)
	}
	for name, spoil := range map[string]func(*engine.Task){
		"no such image":   func(task *engine.Task) { task.Image = l.NoImage },
		"no such program": func(task *engine.Task) { task.Command = []string{"/no/such"} },
		"no such lab":     func(task *engine.Task) { task.Lab = random("none-") },
	} {
		task := l.task("exit 0", engine.Streams{})
		spoil(&task)
		if code, err := l.Engine.Run(ctx, task); err == nil {
			t.Errorf("%s: code %d and no error", name, code)
		}
	}
	l.wantTraces(ctx, t, before)
}
