package process

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"reflect"
	"sync"
	"syscall"

	"github.com/creack/pty"

	"nomadlab.internal/lab/engine"
)

// pump copies the streams between a command and the caller.
type pump struct {
	// stdin is where the command's input is written. Nil: it has none.
	stdin *os.File
	// outputs are where its outputs are read.
	outputs []output
	// childEnds are the ends of the command, which are closed here after its start.
	childEnds []*os.File
	// console is true if all streams are one terminal.
	console bool

	copies  sync.WaitGroup
	failed  chan error
	stop    chan struct{}
	resizes sync.WaitGroup
	once    sync.Once
}

type output struct {
	from *os.File
	to   io.Writer
}

// connect makes the streams and sets the command's ends. A nil stream is /dev/null, as in package exec.
func connect(cmd *exec.Cmd, s engine.Streams, user account) (*pump, error) {
	p := &pump{failed: make(chan error, 2), stop: make(chan struct{}), console: s.Terminal}
	makeEnds := p.pipes
	if s.Terminal {
		makeEnds = func(cmd *exec.Cmd, s engine.Streams) error { return p.terminal(cmd, s, user) }
	}
	if err := makeEnds(cmd, s); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// terminal makes a terminal for the command, which the command's user may also open by its name.
func (p *pump) terminal(cmd *exec.Cmd, s engine.Streams, user account) error {
	master, childEnd, err := pty.Open()
	if err != nil {
		return err
	}
	p.childEnds = []*os.File{childEnd}
	if master, err = reopenNonblocking(master); err != nil {
		return err
	}
	p.outputs = []output{{master, writerOrDiscard(s.Stdout)}}
	if s.Stdin != nil {
		p.stdin = master
	}
	if user.isOther {
		if err := childEnd.Chown(user.uid, user.gid); err != nil {
			return err
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = childEnd, childEnd, childEnd
	cmd.SysProcAttr.Setctty = true
	return nil
}

func writerOrDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

func (p *pump) pipes(cmd *exec.Cmd, s engine.Streams) error {
	if s.Stdin != nil {
		childEnd, master, err := os.Pipe()
		if err != nil {
			return err
		}
		p.stdin, p.childEnds, cmd.Stdin = master, append(p.childEnds, childEnd), childEnd
	}
	for _, o := range []struct {
		to    io.Writer
		child *io.Writer
	}{{s.Stdout, &cmd.Stdout}, {s.Stderr, &cmd.Stderr}} {
		if o.to == nil {
			continue
		}
		if o.child == &cmd.Stderr && isSame(s.Stdout, s.Stderr) {
			cmd.Stderr = cmd.Stdout
			continue
		}
		master, childEnd, err := os.Pipe()
		if err != nil {
			return err
		}
		p.outputs, p.childEnds = append(p.outputs, output{master, o.to}), append(p.childEnds, childEnd)
		*o.child = childEnd
	}
	return nil
}

// isSame reports whether both are one writer, which must not be called from two goroutines. It is false for types that
// cannot be compared.
func isSame(a, b io.Writer) bool {
	return a != nil && b != nil && reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// start starts copying, after the command has started. It does not wait for the input, whose reader may never end.
func (p *pump) start(s engine.Streams) {
	for _, f := range p.childEnds {
		_ = f.Close()
	}
	if p.stdin != nil {
		go func() {
			_, _ = io.Copy(p.stdin, s.Stdin)
			if !p.console {
				_ = p.stdin.Close()
			}
		}()
	}
	for _, o := range p.outputs {
		p.copies.Go(func() {
			// Reading a terminal that no process has open fails with EIO.
			if _, err := io.Copy(o.to, o.from); err != nil && !errors.Is(err, syscall.EIO) && !errors.Is(err, os.ErrClosed) {
				p.failed <- err
				_, _ = io.Copy(io.Discard, o.from) // a writer that fails must not stop the command
			}
		})
	}
	if s.Terminal && s.Size != nil {
		p.resize(s)
	}
}

// resize sets the terminal's size to the caller's, now and whenever that changes.
func (p *pump) resize(s engine.Streams) {
	console := p.outputs[0].from
	set := func() {
		width, height := s.Size()
		_ = pty.Setsize(console, &pty.Winsize{Rows: uint16(height), Cols: uint16(width)})
	}
	set()
	p.resizes.Go(func() {
		for {
			select {
			case <-s.Resized:
				set()
			case <-p.stop:
				return
			}
		}
	})
}

// wait returns when the outputs have ended, with the first error of a writer.
func (p *pump) wait() error {
	p.copies.Wait()
	select {
	case err := <-p.failed:
		return err
	default:
		return nil
	}
}

func (p *pump) close() {
	p.once.Do(func() { close(p.stop) })
	p.resizes.Wait()
	for _, f := range append(p.childEnds, p.stdin) {
		if f != nil {
			_ = f.Close()
		}
	}
	for _, o := range p.outputs {
		_ = o.from.Close()
	}
}
