package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"nomadlab.internal/lab/engine"
)

// attach runs a command inside the lab with this command's streams, and returns its exit code as an error. The command
// gets a terminal if standard input and standard output are terminals.
func (c console) attach(run func(engine.Streams) (int, error)) error {
	s := engine.Streams{Stdin: c.in, Stdout: c.out.Writer, Stderr: c.errs.Writer}
	fd, in := terminalOf(c.in)
	screen, out := terminalOf(c.out.Writer)
	if !in || !out {
		return passOn(run(s))
	}
	before, err := term.MakeRaw(fd)
	if err != nil {
		return fmt.Errorf("prepare the terminal: %w", err)
	}
	defer func() { _ = term.Restore(fd, before) }()
	resized, stop := resizes()
	defer stop()
	s.Terminal, s.Resized = true, resized
	s.Size = func() (uint, uint) {
		width, height, err := term.GetSize(screen)
		if err != nil || width < 0 || height < 0 {
			return 0, 0
		}
		return uint(width), uint(height)
	}
	return passOn(run(s))
}

// resizes returns a channel that fires when the terminal's size changes, until stop is called.
func resizes() (resized <-chan struct{}, stop func()) {
	signals, out := make(chan os.Signal, 1), make(chan struct{}, 1)
	signal.Notify(signals, syscall.SIGWINCH)
	go func() {
		for range signals {
			select {
			case out <- struct{}{}:
			default: // one that was not received yet is enough
			}
		}
	}()
	return out, func() {
		signal.Stop(signals)
		close(signals)
	}
}
