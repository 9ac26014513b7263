//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

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
