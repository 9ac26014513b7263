package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"nomadlab.internal/lab/engine"
)

// inner runs a command with this command's own streams. It gets a terminal when both ends of ours are one. Its exit
// code becomes ours.
func (c console) inner(run func(engine.Streams) (int, error)) error {
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

// resizes fires when the terminal has another size, until stop is called.
func resizes() (resized <-chan struct{}, stop func()) {
	signals, out, end := make(chan os.Signal, 1), make(chan struct{}), make(chan struct{})
	signal.Notify(signals, syscall.SIGWINCH)
	go func() {
		for {
			select {
			case <-signals:
				select {
				case out <- struct{}{}:
				case <-end:
					return
				}
			case <-end:
				return
			}
		}
	}()
	return out, func() {
		signal.Stop(signals)
		close(end)
	}
}
