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

// pump carries the streams between a command and the caller.
type pump struct {
	// stdin is where the command's input is written. Nil: it has none.
	stdin *os.File
	// outputs are where its outputs are read, each with whom they are for.
	outputs []output
	// theirs are the command's own ends, which are closed here once it has them.
	theirs []*os.File
	// console is set where all of them are one terminal.
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

// connect gives the command its ends of the streams. A nil one is /dev/null, as package exec has it.
func connect(cmd *exec.Cmd, s engine.Streams, user account) (*pump, error) {
	p := &pump{failed: make(chan error, 2), stop: make(chan struct{}), console: s.Terminal}
	give := p.pipes
	if s.Terminal {
		give = func(cmd *exec.Cmd, s engine.Streams) error { return p.terminal(cmd, s, user) }
	}
	if err := give(cmd, s); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// terminal is a terminal of the command's own, which it may also open by its name.
func (p *pump) terminal(cmd *exec.Cmd, s engine.Streams, user account) error {
	ours, theirs, err := pty.Open()
	if err != nil {
		return err
	}
	p.theirs = []*os.File{theirs}
	if ours, err = interruptible(ours); err != nil {
		return err
	}
	p.outputs = []output{{ours, orDiscard(s.Stdout)}}
	if s.Stdin != nil {
		p.stdin = ours
	}
	if user.other {
		if err := theirs.Chown(user.uid, user.gid); err != nil {
			return err
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr.Setctty = true
	return nil
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

func (p *pump) pipes(cmd *exec.Cmd, s engine.Streams) error {
	if s.Stdin != nil {
		theirs, ours, err := os.Pipe()
		if err != nil {
			return err
		}
		p.stdin, p.theirs, cmd.Stdin = ours, append(p.theirs, theirs), theirs
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
		ours, theirs, err := os.Pipe()
		if err != nil {
			return err
		}
		p.outputs, p.theirs = append(p.outputs, output{ours, o.to}), append(p.theirs, theirs)
		*o.child = theirs
	}
	return nil
}

// isSame reports whether both are one writer, which two copies at a time would harm. It is not known of what cannot be compared.
func isSame(a, b io.Writer) bool {
	return a != nil && b != nil && reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// begin carries, once the command has its ends. Nobody waits for the input: its reader may never end.
func (p *pump) begin(s engine.Streams) {
	for _, f := range p.theirs {
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
			// A terminal whose last holder is gone answers with EIO.
			if _, err := io.Copy(o.to, o.from); err != nil && !errors.Is(err, syscall.EIO) && !errors.Is(err, os.ErrClosed) {
				p.failed <- err
				_, _ = io.Copy(io.Discard, o.from) // the command is not to be stopped by a writer that fails
			}
		})
	}
	if s.Terminal && s.Size != nil {
		p.resize(s)
	}
}

// resize keeps the terminal as large as the caller's.
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

// drained returns when the outputs have ended, with what went wrong on the way.
func (p *pump) drained() error {
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
	for _, f := range append(p.theirs, p.stdin) {
		if f != nil {
			_ = f.Close()
		}
	}
	for _, o := range p.outputs {
		_ = o.from.Close()
	}
}
