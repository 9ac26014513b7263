package enginetest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	"nomadlab.internal/lab/engine"
)

// unless returns the error, or nil if it is target.
func unless(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}

// eachState changes every state that Nodes returns.
func (b *faultyEngine) eachState(change func(*engine.State)) {
	b.nodes = func(ctx context.Context, lab string) ([]engine.State, error) {
		states, err := b.Engine.Nodes(ctx, lab)
		for i := range states {
			change(&states[i])
		}
		return states, err
	}
}

// eachFile changes the files that CopyOut returns.
func (b *faultyEngine) eachFile(change func([]engine.File) []engine.File) {
	b.copyOut = func(ctx context.Context, r engine.Ref, folder string) ([]engine.File, error) {
		files, err := b.Engine.CopyOut(ctx, r, folder)
		if err != nil {
			return files, err
		}
		return change(files), nil
	}
}

// eachLog changes every whole log. A check may then wait for another log for ever, so it is cancelled.
func (b *faultyEngine) eachLog(cancelCheck func(), change func(string) string) {
	b.logs = func(ctx context.Context, r engine.Ref, follow bool) (io.ReadCloser, error) {
		logs, err := b.Engine.Logs(ctx, r, follow)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(logs)
		_ = logs.Close()
		changed := change(string(text))
		if changed != string(text) {
			cancelCheck()
		}
		return io.NopCloser(strings.NewReader(changed)), err
	}
}

// eachFollower changes what followers return.
func (b *faultyEngine) eachFollower(change func(ctx context.Context, whole io.ReadCloser) io.Reader) {
	b.logs = func(ctx context.Context, r engine.Ref, follow bool) (io.ReadCloser, error) {
		logs, err := b.Engine.Logs(ctx, r, follow)
		if err != nil || !follow {
			return logs, err
		}
		return follower{Reader: change(ctx, logs), Closer: logs}, nil
	}
}

type follower struct {
	io.Reader
	io.Closer
}

// without leaves out a line that is read at once.
type without struct {
	io.Reader
	line []byte
}

func (w *without) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	return copy(p, bytes.Replace(p[:n], w.line, nil, 1)), err
}

// eachCommand changes the streams of every command of Exec.
func (b *faultyEngine) eachCommand(change func(*engine.Streams)) {
	b.exec = func(ctx context.Context, r engine.Ref, c engine.Command) (int, error) {
		change(&c.Streams)
		return b.Engine.Exec(ctx, r, c)
	}
}

// eachTask changes every task.
func (b *faultyEngine) eachTask(change func(*engine.Task)) {
	b.run = func(ctx context.Context, task engine.Task) (int, error) {
		change(&task)
		return b.Engine.Run(ctx, task)
	}
}

// eachLab changes what Labs returns.
func (b *faultyEngine) eachLab(change func(labs map[string]engine.LabState, name string)) {
	b.labs = func(ctx context.Context) (map[string]engine.LabState, error) {
		labs, err := b.Engine.Labs(ctx)
		for name := range labs {
			change(labs, name)
		}
		return labs, err
	}
}

type (
	readerFunc func([]byte) (int, error)
	writerFunc func([]byte) (int, error)
	closerFunc func() error
)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (f closerFunc) Close() error { return f() }
