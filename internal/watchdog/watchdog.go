package watchdog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"nomadlab.internal/internal/deadline"
)

const (
	// guard is the environment variable that, together with the pipe it names, makes a program a watchdog.
	guard = "NOMADLAB_WATCHDOG"
	// pipeFD is where the watchdog finds the pipe: the first of exec.Cmd.ExtraFiles.
	pipeFD = 3
	// goodbye is what the owner writes if there is nothing to remove.
	goodbye = "goodbye\n"
	// lasting is how long a watchdog that replaced another must have run, to be replaced itself.
	lasting = time.Second
	// answer is how long the watchdog may take to end after the goodbye, see deadline.Fair. A stopped watchdog never does.
	answer = 10 * time.Second
)

// order is the first line in the pipe.
type order struct {
	Target Target
	Owner  process
	Runner *process // the go command that runs the owner; nil if none does
	Pace   pace
}

// Watchdog is the owner's handle on a running watchdog. Only [Start] makes one.
type Watchdog struct {
	order  string
	once   sync.Once
	result error

	mu       sync.Mutex
	now      *child // the watchdog that runs
	released bool
	lost     error // those that ended unasked, and why the last was not replaced
}

// child is one watchdog process.
type child struct {
	command *exec.Cmd
	began   time.Time
	pipe    *os.File
	ended   chan struct{} // closed when it has ended; then exit is set
	exit    error
}

// Start runs a watchdog for t. Call it before the first object of t is made. It returns within milliseconds, without waiting
// until the watchdog runs: the pipe exists already, and the watchdog reads later what is written into it.
//
// The watchdog sweeps if this process ends without [Watchdog.Release]. If the parent of this process is the go command (go test,
// go run), it also sweeps if that ends first: no process is left to report to, and the watchdog kills this process before it
// sweeps. It sweeps at once, and again until two passes in a row, over several seconds, more on a busy machine, have found
// nothing, because a create that the daemon received before the owner's death may finish later. After ten minutes it gives up,
// removes the folders all the same (they contain keys) and writes to a file in [LogFolder] what is left.
//
// The watchdog runs in a session of its own, ignores SIGINT, SIGTERM, SIGHUP and SIGQUIT, and has no file of the owner open but
// the pipe. Of the owner's environment it gets only the variables that locate folders. The end of ctx ends Start, never the
// watchdog.
//
// The error says why t is refused, or that the program could not be started again.
func Start(ctx context.Context, t Target) (*Watchdog, error) {
	return start(ctx, t, usualPace())
}

func start(ctx context.Context, t Target, p pace) (*Watchdog, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start watchdog: %w", err)
	}
	if err := t.check(); err != nil {
		return nil, err
	}
	owner, _ := identify(os.Getpid())
	line, err := json.Marshal(order{Target: t, Owner: owner, Runner: goCommand(), Pace: p})
	if err != nil {
		return nil, fmt.Errorf("write the watchdog's order: %w", err)
	}
	w := &Watchdog{order: string(line) + "\n"}
	if w.now, err = launch(w.order); err != nil {
		return nil, fmt.Errorf("start watchdog: %w", err)
	}
	go w.keep(w.now)
	return w, nil
}

// keep replaces a watchdog that ended unasked, for example because the kernel killed it.
func (w *Watchdog) keep(c *child) {
	for c != nil {
		<-c.ended
		c = w.replace(c)
	}
}

// replace starts a watchdog in place of c, which has ended. It returns nil after Release, and if no further one can run: one that
// replaced another and ended at once is the last, as the next one would end for the same reason.
func (w *Watchdog) replace(c *child) *child {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.released {
		return nil
	}
	isLast := w.lost != nil && time.Since(c.began) < lasting
	w.lost = errors.Join(w.lost, fmt.Errorf("watchdog %d ended unasked: %w", c.command.Process.Pid, cmp.Or(c.exit, errUnasked)), c.pipe.Close())
	if isLast {
		return nil
	}
	next, err := launch(w.order)
	if err != nil {
		w.lost = errors.Join(w.lost, fmt.Errorf("start another watchdog: %w", err))
		return nil
	}
	w.now = next
	return next
}

// errUnasked is the error of a watchdog that ended unasked and without an error of its own.
var errUnasked = errors.New("it had not been told to end")

// launch starts this program again and gives it its order. The write end of the pipe is close-on-exec (os.Pipe), so that no other
// child of the owner keeps it open.
func launch(order string) (*child, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = read.Close() }()
	c := &child{pipe: write, ended: make(chan struct{})}
	// The order is in the pipe before the watchdog runs: the owner may be killed right after the start.
	if err := c.say(order); err != nil {
		return nil, errors.Join(fmt.Errorf("give the watchdog its order: %w", err), write.Close())
	}
	c.command, err = again(read)
	if err == nil {
		err = c.command.Start()
	}
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	c.began = time.Now()
	go func() {
		c.exit = c.command.Wait()
		close(c.ended)
	}()
	return c, nil
}

// again returns the command that runs this program as a watchdog. Its standard streams are /dev/null (the zero value of exec.Cmd):
// go test and every shell pipeline would wait for others. Its folder is the root, so that it uses no folder that is to be removed.
func again(pipe *os.File) (*exec.Cmd, error) {
	path := "/proc/self/exe" // also names a test binary that go test has deleted meanwhile
	if runtime.GOOS != "linux" {
		executable, err := os.Executable()
		if err != nil {
			return nil, err
		}
		path = executable
	}
	id, err := pipeID(int(pipe.Fd()))
	if err != nil {
		return nil, err
	}
	return &exec.Cmd{
		Path:        path,
		Args:        []string{"nomadlab-watchdog"},
		Env:         environment(id),
		Dir:         "/",
		ExtraFiles:  []*os.File{pipe},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}, nil
}

// environment returns few variables on purpose: the owner's own may contain tokens, or the marker of a lab around it, whose sweep
// would then kill this watchdog.
func environment(pipe string) []string {
	// A race-enabled program sleeps for a second before it exits, unless GORACE sets another time.
	env := []string{guard + "=" + pipe, "GORACE=atexit_sleep_ms=0"}
	for _, name := range []string{"HOME", "XDG_STATE_HOME", "TMPDIR", "LD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// pipeID returns a name of the pipe behind a file descriptor, and an error if it is no pipe.
func pipeID(fd int) (string, error) {
	var stat syscall.Stat_t
	if err := syscall.Fstat(fd, &stat); err != nil {
		return "", fmt.Errorf("stat file descriptor %d: %w", fd, err)
	}
	if stat.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		return "", fmt.Errorf("file descriptor %d is not a pipe", fd)
	}
	return fmt.Sprintf("pipe:%d:%d", stat.Dev, stat.Ino), nil
}

// Release says goodbye: the watchdog ends and removes nothing. It returns when the watchdog has ended, and may be called more than
// once, with the same result.
//
// The error says that a watchdog had ended before, so that nothing would have been removed after a crash, even if it was replaced
// later; or that the watchdog did not end in time and was killed.
func (w *Watchdog) Release() error {
	w.once.Do(func() {
		w.mu.Lock()
		w.released = true
		c, lost := w.now, w.lost
		w.mu.Unlock()
		if lost == nil || !c.isOver() {
			lost = errors.Join(lost, c.say(goodbye), c.end())
		} else if err := c.pipe.Close(); err == nil { // it is not replaced yet
			lost = errors.Join(lost, fmt.Errorf("watchdog %d ended unasked: %w", c.command.Process.Pid, cmp.Or(c.exit, errUnasked)))
		}
		if lost != nil {
			w.result = fmt.Errorf("release watchdog %d: it was not watching all the time: %w", c.command.Process.Pid, lost)
		}
	})
	return w.result
}

func (c *child) isOver() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

func (c *child) say(words string) error {
	if err := c.pipe.SetWriteDeadline(time.Now().Add(deadline.Hang)); err != nil {
		return err
	}
	_, err := c.pipe.WriteString(words)
	return err
}

// end closes the pipe and waits for the watchdog.
func (c *child) end() error {
	closed := c.pipe.Close()
	late, cancel := deadline.Fair(context.Background(), answer)
	defer cancel()
	select {
	case <-c.ended:
		return errors.Join(closed, c.exit)
	case <-late.Done():
	}
	killed := c.command.Process.Kill()
	<-c.ended
	return errors.Join(fmt.Errorf("no answer, killed it: %w", context.Cause(late)), closed, killed)
}
