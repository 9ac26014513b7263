package enginetest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/poll"
)

func faultsOfFiles() []fault {
	return []fault{
		{"CopyIn", "modes are lost", "is there, want", func(b *faultyEngine, _ func()) {
			b.eachCopy(func(f *engine.File) { f.Mode |= 0o044 })
		}},
		{"CopyIn", "content is lost", "is there, want", func(b *faultyEngine, _ func()) {
			b.eachCopy(func(f *engine.File) { f.Data = nil })
		}},
		{"CopyIn", "the end of a longer file stays", "is there, want", func(b *faultyEngine, _ func()) {
			b.copyIn = func(_ context.Context, _ engine.Ref, files []engine.File) error {
				f, err := os.OpenFile(files[0].Path, os.O_WRONLY, 0)
				if err == nil {
					_, err = f.Write(files[0].Data)
					err = errors.Join(err, f.Close())
				}
				return errors.Join(err, os.MkdirAll(files[1].Path, 0o750), os.WriteFile(files[2].Path, files[2].Data, 0o600))
			}
		}},
		{"CopyIn", "missing folders are made", "want an error that wraps ErrNotFound", func(b *faultyEngine, _ func()) {
			b.copyIn = func(ctx context.Context, r engine.Ref, files []engine.File) error {
				if len(files) == 1 {
					return os.MkdirAll(filepath.Dir(files[0].Path), 0o700)
				}
				return b.Engine.CopyIn(ctx, r, files)
			}
		}},
		{"CopyInWhole", "a file is overwritten", "torn", func(b *faultyEngine, cancelCheck func()) {
			b.copyIn = func(ctx context.Context, r engine.Ref, files []engine.File) error {
				f, err := os.OpenFile(files[0].Path, os.O_WRONLY|os.O_TRUNC, 0)
				if err != nil {
					return err
				}
				half := len(files[0].Data) / 2
				_, err = f.Write(files[0].Data[:half])
				err = errors.Join(err, b.awaitLog(ctx, r, "torn")) // the reader has seen the half of it
				_, failed := f.Write(files[0].Data[half:])
				cancelCheck()
				return errors.Join(err, failed, f.Close())
			}
		}},
	}
}

func faultsOfReloads() []fault {
	return []fault{
		{"Reload", "it does nothing", "the log of", func(b *faultyEngine, cancelCheck func()) {
			b.reload = func(ctx context.Context, r engine.Ref) error {
				states, err := b.Engine.Nodes(ctx, r.Lab)
				if err == nil && states[0].Running {
					cancelCheck()
					return nil
				}
				return errors.Join(err, errors.New("it does not run"))
			}
		}},
		{"Reload", "the program's child is reloaded too", "the child is reloaded", func(b *faultyEngine, cancelCheck func()) {
			b.reload = func(ctx context.Context, r engine.Ref) error {
				if err := b.Engine.Reload(ctx, r); err != nil {
					return err
				}
				child := engine.Command{Args: []string{"sh", "-c", `kill -s HUP "$(cat pid)"`}}
				_, err := b.Engine.Exec(ctx, r, child)
				err = errors.Join(err, b.awaitLog(ctx, r, "the child is reloaded"))
				cancelCheck()
				return err
			}
		}},
		{"Reload", "a node that does not run is reloaded", "not started is no error", func(b *faultyEngine, _ func()) {
			b.reload = func(ctx context.Context, r engine.Ref) error {
				_ = b.Engine.Reload(ctx, r)
				return nil
			}
		}},
	}
}

func faultsOfRestarts() []fault {
	return []fault{
		{"RestartProgram", "the node's children end with the program", "the child was process", func(b *faultyEngine, _ func()) {
			b.restart = b.startedAgain(func(ctx context.Context, r engine.Ref) error {
				remove := engine.Command{Args: []string{"sh", "-c", "rm child"}} // what it has started is forgotten with it
				_, err := b.Engine.Exec(ctx, r, remove)
				return errors.Join(err, b.Engine.Stop(ctx, r, deadline.Hang))
			})
		}},
		{"RestartProgram", "it does nothing", "the log of", func(b *faultyEngine, cancelCheck func()) {
			b.restart = func(ctx context.Context, r engine.Ref, _ engine.Restart) (engine.State, error) {
				states, err := b.Engine.Nodes(ctx, r.Lab)
				cancelCheck()
				return states[0], err
			}
		}},
		{"RestartProgram", "published ports are lost", "endpoints map[];", func(b *faultyEngine, _ func()) {
			b.eachRestart(func(s *engine.State) { s.Endpoints = nil })
		}},
		{"RestartProgram", "followers end", "a follower reads", func(b *faultyEngine, _ func()) {
			b.eachFollower(func(_ context.Context, whole io.ReadCloser) io.Reader {
				return io.LimitReader(whole, int64(len("up\n")))
			})
		}},
		{"RestartProgramEnds", "it does not wait for the grace", "before its grace", func(b *faultyEngine, _ func()) {
			b.restart = func(ctx context.Context, r engine.Ref, o engine.Restart) (engine.State, error) {
				o.Grace = 0
				return b.Engine.RestartProgram(ctx, r, o)
			}
		}},
		{"RestartProgramEnds", "exit codes are lost", "the node has ended with its program", func(b *faultyEngine, cancelCheck func()) {
			b.eachState(func(s *engine.State) {
				if s.ExitCode == 5 {
					s.ExitCode = 0
					cancelCheck()
				}
			})
		}},
		{"RestartProgramEnds", "a node that does not run is restarted", "not started is no error", func(b *faultyEngine, _ func()) {
			b.restart = func(ctx context.Context, r engine.Ref, o engine.Restart) (engine.State, error) {
				s, _ := b.Engine.RestartProgram(ctx, r, o)
				return s, nil
			}
		}},
		{"RestartProgramServes", "its endpoints change", "its endpoints are", func(b *faultyEngine, _ func()) {
			b.eachRestart(func(s *engine.State) { s.Endpoints = nil })
		}},
		{"RestartProgramServes", "it is not started again", "not conform-", func(b *faultyEngine, cancelCheck func()) {
			b.restart = func(ctx context.Context, r engine.Ref, _ engine.Restart) (engine.State, error) {
				states, err := b.Engine.Nodes(ctx, r.Lab)
				err = errors.Join(err, b.Engine.Kill(ctx, r))
				cancelCheck()
				return states[0], err
			}
		}},
		{"RestartProgramServes", "a paused node is restarted", "restart of a paused node", func(b *faultyEngine, _ func()) {
			b.restart = func(ctx context.Context, r engine.Ref, o engine.Restart) (engine.State, error) {
				states, err := b.Engine.Nodes(ctx, r.Lab)
				if err != nil || states[0].Paused {
					return engine.State{}, err
				}
				return b.Engine.RestartProgram(ctx, r, o)
			}
		}},
		{"RestartProgramReplaces", "the binary stays", "the log of", func(b *faultyEngine, cancelCheck func()) {
			b.restart = func(ctx context.Context, r engine.Ref, o engine.Restart) (engine.State, error) {
				if info, err := os.Stat(o.Binary); err != nil || info.Mode()&0o111 == 0 {
					return b.Engine.RestartProgram(ctx, r, o)
				}
				o.Binary = ""
				s, err := b.Engine.RestartProgram(ctx, r, o)
				err = errors.Join(err, b.awaitLog(ctx, r, "old\nold\n"))
				cancelCheck()
				return s, err
			}
		}},
		{"RestartProgramReplaces", "a missing binary is none", "a binary that is", func(b *faultyEngine, _ func()) {
			b.restart = func(ctx context.Context, r engine.Ref, o engine.Restart) (engine.State, error) {
				s, err := b.Engine.RestartProgram(ctx, r, o)
				if err != nil {
					err = nil
				}
				return s, err
			}
		}},
	}
}

// eachCopy changes every file that CopyIn writes.
func (b *faultyEngine) eachCopy(change func(*engine.File)) {
	b.copyIn = func(ctx context.Context, r engine.Ref, files []engine.File) error {
		for i := range files {
			if !files[i].Mode.IsDir() {
				change(&files[i])
			}
		}
		return b.Engine.CopyIn(ctx, r, files)
	}
}

// eachRestart changes the states that RestartProgram returns.
func (b *faultyEngine) eachRestart(change func(*engine.State)) {
	b.restart = func(ctx context.Context, r engine.Ref, o engine.Restart) (engine.State, error) {
		s, err := b.Engine.RestartProgram(ctx, r, o)
		change(&s)
		return s, err
	}
}

// startedAgain returns a RestartProgram that ends the whole node and starts it, at the time of its first start.
func (b *faultyEngine) startedAgain(end func(context.Context, engine.Ref) error) func(context.Context, engine.Ref, engine.Restart) (engine.State, error) {
	return func(ctx context.Context, r engine.Ref, _ engine.Restart) (engine.State, error) {
		before, err := b.Engine.Nodes(ctx, r.Lab)
		if err = errors.Join(err, end(ctx, r)); err != nil {
			return engine.State{}, err
		}
		s, err := b.Engine.Start(ctx, r)
		s.Started = before[0].Started
		return s, err
	}
}

// awaitLog waits until a node's log contains the text.
func (b *faultyEngine) awaitLog(ctx context.Context, r engine.Ref, text string) error {
	return poll.Every(ctx, 10*time.Millisecond, func() bool {
		logs, err := b.Engine.Logs(ctx, r, false)
		if err != nil {
			return false
		}
		var all bytes.Buffer
		_, err = all.ReadFrom(logs)
		return errors.Join(err, logs.Close()) == nil && strings.Contains(all.String(), text)
	})
}
