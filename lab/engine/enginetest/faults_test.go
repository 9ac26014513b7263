package enginetest_test

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nomadlab.internal/lab/engine"
)

// fault is one thing that is wrong with an engine, and what the check must report first because of it.
type fault struct {
	check, name, says string
	// inject breaks the engine. A fault that makes a check wait calls cancelCheck after it has taken effect.
	inject func(b *faultyEngine, cancelCheck func())
}

func faults() []fault {
	return slices.Concat(faultsOfNodes(), faultsOfLogs(), faultsOfCommands(), faultsOfTasks(), faultsOfLabs(), faultsOfFiles(), faultsOfReloads(), faultsOfRestarts())
}

func faultsOfNodes() []fault {
	return []fault{
		{"NodeLifecycle", "a started node is reached nowhere", "a running node's state", func(b *faultyEngine, _ func()) {
			b.start = func(ctx context.Context, r engine.Ref) (engine.State, error) {
				s, err := b.Engine.Start(ctx, r)
				s.Endpoints = nil
				return s, err
			}
		}},
		{"NodeLifecycle", "exit codes are lost", "the state of a node that ended with 7", func(b *faultyEngine, _ func()) {
			b.eachState(func(s *engine.State) { s.ExitCode = 0 })
		}},
		{"NodeLifecycle", "labels are lost", "labels map[]", func(b *faultyEngine, _ func()) {
			b.eachState(func(s *engine.State) { s.Labels = nil })
		}},
		{"NodeLifecycle", "a node is killed once", "kill again", func(b *faultyEngine, _ func()) {
			killed := false
			b.kill = func(ctx context.Context, r engine.Ref) error {
				if killed {
					return errors.New("it does not run")
				}
				killed = true
				return b.Engine.Kill(ctx, r)
			}
		}},
		{"NodeLifecycle", "stop does nothing", "the state of a node that ended with 7", func(b *faultyEngine, _ func()) {
			b.stop = func(context.Context, engine.Ref, time.Duration) error { return nil }
		}},
		{"NodeFolder", "a node starts elsewhere", "placed", func(b *faultyEngine, cancelCheck func()) {
			b.create = func(ctx context.Context, n engine.Node) error {
				n.Folder = ""
				return b.Engine.Create(ctx, n)
			}
			b.eachLog(cancelCheck, func(text string) string { return strings.TrimSuffix(text, "\n") }) // once it says where it started
		}},
		{"StopKillsAfterGrace", "stop does not kill", "the state of a node that ended with 137", func(b *faultyEngine, _ func()) {
			b.stop = func(ctx context.Context, r engine.Ref, grace time.Duration) error {
				if grace > time.Second { // of the one that takes its time
					return b.Engine.Stop(ctx, r, grace)
				}
				<-time.After(grace)
				return nil
			}
		}},
		{"StopKillsAfterGrace", "stop does not wait", "the state of a node that ended with 7", func(b *faultyEngine, _ func()) {
			b.stop = func(ctx context.Context, r engine.Ref, grace time.Duration) error {
				if grace == time.Second { // the one that kills may be as slow as that
					return b.Engine.Stop(ctx, r, grace)
				}
				return b.Engine.Kill(ctx, r)
			}
		}},
		{"PauseAndResume", "pause does nothing", "a paused node answers", func(b *faultyEngine, _ func()) {
			b.pause = func(context.Context, engine.Ref) error { return nil }
		}},
		{"PauseAndResume", "pause kills", "connect to a paused node", func(b *faultyEngine, _ func()) {
			b.pause = b.Engine.Kill
		}},
		{"PauseAndResume", "a paused node does not count as running", "does not count as running", func(b *faultyEngine, _ func()) {
			b.eachState(func(s *engine.State) { s.Running = false })
		}},
		{"PauseAndResume", "a paused node is not listed as such", "does not count as paused", func(b *faultyEngine, _ func()) {
			b.eachState(func(s *engine.State) { s.Paused = false })
		}},
		{"PauseAndResume", "a node stays paused", "a resumed node counts as paused", func(b *faultyEngine, _ func()) {
			b.eachState(func(s *engine.State) { s.Paused = true })
		}},
		{"UnknownNode", "an unknown node is stopped", "stop: <nil>", func(b *faultyEngine, _ func()) {
			b.stop = func(ctx context.Context, r engine.Ref, grace time.Duration) error {
				return unless(b.Engine.Stop(ctx, r, grace), engine.ErrNotFound)
			}
		}},
		{"UnknownNode", "an unknown lab has a node", "an unknown lab has nodes", func(b *faultyEngine, _ func()) {
			b.nodes = func(context.Context, string) ([]engine.State, error) { return make([]engine.State, 1), nil }
		}},
		{"UnknownNode", "an image that is not there is replaced", "was created from image", func(b *faultyEngine, _ func()) {
			b.create = func(ctx context.Context, n engine.Node) error {
				n.Image = "/bin/sh"
				return b.Engine.Create(ctx, n)
			}
		}},
		{"CopyOut", "a file is left out", "came out, want", func(b *faultyEngine, _ func()) {
			b.eachFile(func(files []engine.File) []engine.File { return files[:len(files)-1] })
		}},
		{"CopyOut", "modes are lost", "came out, want", func(b *faultyEngine, _ func()) {
			b.eachFile(func(files []engine.File) []engine.File {
				files[0].Mode = 0o644
				return files
			})
		}},
		{"CopyOut", "an unknown node has no files", "want ErrNotFound", func(b *faultyEngine, _ func()) {
			b.copyOut = func(ctx context.Context, r engine.Ref, folder string) ([]engine.File, error) {
				files, err := b.Engine.CopyOut(ctx, r, folder)
				return files, unless(err, engine.ErrNotFound)
			}
		}},
	}
}

func faultsOfLogs() []fault {
	return []fault{
		{"Logs", "a line is lost", "first\\nsecond\\nthird\\n\" (context canceled)", func(b *faultyEngine, cancelCheck func()) {
			b.eachLog(cancelCheck, func(text string) string { return strings.Replace(text, "third\n", "", 1) })
		}},
		{"Logs", "standard error is lost", "first\\nsecond\\n\" (context canceled)", func(b *faultyEngine, cancelCheck func()) {
			b.eachLog(cancelCheck, func(text string) string { return strings.ReplaceAll(text, "second\n", "") })
		}},
		{"Logs", "a start forgets", "last\\nfirst\\nsecond\\nthird\\n\" (context canceled)", func(b *faultyEngine, cancelCheck func()) {
			b.eachLog(cancelCheck, func(text string) string {
				if _, again, forgets := strings.Cut(text, "last\nfirst"); forgets {
					return "first" + again
				}
				return text
			})
		}},
		{"FollowerEndsWithNode", "a line is lost", "heard", func(b *faultyEngine, _ func()) {
			b.eachFollower(func(_ context.Context, whole io.ReadCloser) io.Reader {
				return &without{Reader: whole, line: []byte("last\n")}
			})
		}},
		{"FollowerCloses", "it goes on", "closed, and still reading", func(b *faultyEngine, cancelCheck func()) {
			b.logs = func(ctx context.Context, r engine.Ref, follow bool) (io.ReadCloser, error) {
				logs, err := b.Engine.Logs(context.WithoutCancel(ctx), r, follow) // it goes on after a cancelled check
				return follower{Reader: logs, Closer: closerFunc(func() error {
					cancelCheck()
					return nil
				})}, err
			}
		}},
		{"FollowerCloses", "the node ends with it", "the node ended with its follower", func(b *faultyEngine, _ func()) {
			b.logs = func(ctx context.Context, r engine.Ref, follow bool) (io.ReadCloser, error) {
				logs, err := b.Engine.Logs(ctx, r, follow)
				return follower{Reader: logs, Closer: closerFunc(func() error {
					return errors.Join(b.Engine.Kill(ctx, r), logs.Close())
				})}, err
			}
		}},
		{"FollowerEndsWithNode", "a follower does not end", "context canceled", func(b *faultyEngine, cancelCheck func()) {
			b.eachFollower(func(ctx context.Context, whole io.ReadCloser) io.Reader {
				return io.MultiReader(whole, readerFunc(func([]byte) (int, error) {
					cancelCheck()
					<-ctx.Done()
					return 0, ctx.Err()
				}))
			})
		}},
	}
}

func faultsOfCommands() []fault {
	return []fault{
		{"Exec", "exit codes are lost", "code 0", func(b *faultyEngine, _ func()) {
			b.exec = func(ctx context.Context, r engine.Ref, c engine.Command) (int, error) {
				_, err := b.Engine.Exec(ctx, r, c)
				return 0, err
			}
		}},
		{"Exec", "standard error is lost", `and ""; want`, func(b *faultyEngine, _ func()) {
			b.eachCommand(func(s *engine.Streams) { s.Stderr = nil })
		}},
		{"Exec", "one writer is called by two", "while it was at work", func(b *faultyEngine, _ func()) {
			b.eachCommand(func(s *engine.Streams) {
				if s.Stdout == nil || s.Stdout != s.Stderr {
					return
				}
				// Two functions cannot be recognised as one writer. The first call of the one waits for that of the other.
				var both sync.WaitGroup
				both.Add(2)
				called := func(to io.Writer) io.Writer {
					meet := sync.OnceFunc(func() { both.Done(); both.Wait() })
					return writerFunc(func(p []byte) (int, error) { meet(); return to.Write(p) })
				}
				s.Stdout, s.Stderr = called(s.Stdout), called(s.Stderr)
			})
		}},
		{"Exec", "the environment is lost", "environment:", func(b *faultyEngine, _ func()) {
			b.exec = func(ctx context.Context, r engine.Ref, c engine.Command) (int, error) {
				c.Environment = nil
				return b.Engine.Exec(ctx, r, c)
			}
		}},
		{"Exec", "a command that is given up ends well", "given up: error <nil>", func(b *faultyEngine, _ func()) {
			b.exec = func(ctx context.Context, r engine.Ref, c engine.Command) (int, error) {
				code, err := b.Engine.Exec(ctx, r, c)
				return code, unless(err, context.Canceled)
			}
		}},
		{"Terminal", "a command has none", "exec: code 9", func(b *faultyEngine, _ func()) {
			b.eachCommand(func(s *engine.Streams) { s.Terminal = false })
		}},
		{"Terminal", "a task has none", "run: code 9", func(b *faultyEngine, _ func()) {
			b.eachTask(func(task *engine.Task) { task.Terminal = false })
		}},
		{"Terminal", "it keeps its size", "large", func(b *faultyEngine, cancelCheck func()) {
			b.eachCommand(func(s *engine.Streams) {
				whole := s.Stdout
				s.Resized = nil
				s.Stdout = writerFunc(func(p []byte) (int, error) {
					if strings.Contains(string(p), "large") {
						cancelCheck()
					}
					return whole.Write(p)
				})
			})
		}},
	}
}

func faultsOfTasks() []fault {
	return []fault{
		{"Run", "exit codes are lost", "code 0", func(b *faultyEngine, _ func()) {
			b.run = func(ctx context.Context, task engine.Task) (int, error) {
				_, err := b.Engine.Run(ctx, task)
				return 0, err
			}
		}},
		{"Run", "a task leaves its folder", "before the tasks there was", func(b *faultyEngine, _ func()) {
			b.run = func(ctx context.Context, task engine.Task) (int, error) {
				code, err := b.Engine.Run(ctx, task)
				return code, errors.Join(err, os.Mkdir(b.Site().Of(task.Run), 0o700))
			}
		}},
		{"TaskFolder", "modes are lost", "said", func(b *faultyEngine, _ func()) {
			b.eachTask(func(task *engine.Task) { task.Files[1].Mode = 0o600 })
		}},
		{"TaskFolder", "it is a node", "the task is taken for a node", func(b *faultyEngine, _ func()) {
			var tasks atomic.Int32
			b.run = func(ctx context.Context, task engine.Task) (int, error) {
				tasks.Add(1)
				defer tasks.Add(-1)
				return b.Engine.Run(ctx, task)
			}
			b.nodes = func(ctx context.Context, lab string) ([]engine.State, error) {
				states, err := b.Engine.Nodes(ctx, lab)
				return append(states, make([]engine.State, tasks.Load())...), err
			}
		}},
		{"TaskRefused", "it ends well", "and no error", func(b *faultyEngine, _ func()) {
			b.run = func(ctx context.Context, task engine.Task) (int, error) {
				code, _ := b.Engine.Run(ctx, task)
				return code, nil
			}
		}},
	}
}

func faultsOfLabs() []fault {
	return []fault{
		{"SubnetTaken", "a subnet is handed out twice", "<nil>, want ErrSubnetTaken", func(b *faultyEngine, _ func()) {
			b.createNetwork = func(ctx context.Context, n engine.Network) error {
				return unless(b.Engine.CreateNetwork(ctx, n), engine.ErrSubnetTaken)
			}
		}},
		{"SubnetTaken", "a network is made all the same", "made all the same", func(b *faultyEngine, _ func()) {
			refused := 0
			b.createNetwork = func(ctx context.Context, n engine.Network) error {
				err := b.Engine.CreateNetwork(ctx, n)
				if errors.Is(err, engine.ErrSubnetTaken) {
					refused++
				}
				if refused == 3 {
					n.Subnet = netip.MustParsePrefix("127.223.0.0/24")
					_ = b.Engine.CreateNetwork(ctx, n)
				}
				return err
			}
		}},
		{"SubnetTaken", "subnets are left out", "is not among the occupied", func(b *faultyEngine, _ func()) {
			b.occupied = func(context.Context) ([]netip.Prefix, error) { return nil, nil }
		}},
		{"LabsAndNodes", "nodes have no order", "Nodes has the nodes", func(b *faultyEngine, _ func()) {
			b.nodes = func(ctx context.Context, lab string) ([]engine.State, error) {
				states, err := b.Engine.Nodes(ctx, lab)
				slices.Reverse(states)
				return states, err
			}
		}},
		{"LabsAndNodes", "a lab without nodes is not listed", "has the labels map[]", func(b *faultyEngine, _ func()) {
			b.eachLab(func(labs map[string]engine.LabState, name string) {
				if len(labs[name].Nodes) == 0 {
					delete(labs, name)
				}
			})
		}},
		{"LabsAndNodes", "labels are lost", "has the labels map[]", func(b *faultyEngine, _ func()) {
			b.eachLab(func(labs map[string]engine.LabState, name string) {
				labs[name] = engine.LabState{Nodes: labs[name].Nodes}
			})
		}},
		{"NetworkExists", "it has two", "a second network: <nil>", func(b *faultyEngine, _ func()) {
			b.createNetwork = func(ctx context.Context, n engine.Network) error {
				return unless(b.Engine.CreateNetwork(ctx, n), engine.ErrExists)
			}
		}},
		{"NetworkExists", "a node is replaced", "a second node of that name: <nil>", func(b *faultyEngine, _ func()) {
			b.create = func(ctx context.Context, n engine.Node) error {
				return unless(b.Engine.Create(ctx, n), engine.ErrExists)
			}
		}},
		{"RemoveLab", "it removes nothing", "left:", func(b *faultyEngine, _ func()) {
			b.remove = func(context.Context, string) error { return nil }
		}},
		{"RemoveLab", "it removes every lab", "of another lab there was", func(b *faultyEngine, _ func()) {
			b.remove = func(ctx context.Context, _ string) error {
				labs, err := b.Engine.Labs(ctx)
				for name := range labs {
					err = errors.Join(err, b.Engine.Remove(ctx, name))
				}
				return err
			}
		}},
		{"RemoveLab", "it may be called once", "not found", func(b *faultyEngine, _ func()) {
			removed := map[string]bool{}
			b.remove = func(ctx context.Context, lab string) error {
				if removed[lab] {
					return engine.ErrNotFound
				}
				removed[lab] = true
				return b.Engine.Remove(ctx, lab)
			}
		}},
	}
}
