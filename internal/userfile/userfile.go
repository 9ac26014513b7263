// Package userfile reads the files that a user names. A user may name anything: what has no end, or keeps its reader waiting, must
// neither take all memory nor hang.
package userfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// largest bounds what is read, in bytes. The largest agent configuration that is known has some KB.
const largest = 4 << 20

// ErrLimit is wrapped by errors about what nomadlab does not read, although somebody else may.
var ErrLimit = errors.New("a limit of nomadlab")

// Read reads a file. What is no file, such as a pipe, which would keep it waiting, or /dev/zero, which has no end, is refused, and
// so is one of more than 4 MB. Its errors name the file.
func Read(path string) ([]byte, error) {
	// A pipe would be waited for when it is opened.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder, not a file", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file (%s), %w: write what it has into one", path, info.Mode().Type(), ErrLimit)
	}
	return bounded(f, path)
}

// Wait reads what a path leads to until ctx ends: also a pipe, as a shell's <(COMMAND) is one, which has no end until somebody has
// written it, or a terminal. More than 4 MB are refused.
func Wait(ctx context.Context, path string) ([]byte, error) {
	return until(ctx, path, func() (io.ReadCloser, error) { return os.Open(path) })
}

// WaitOn is Wait for what is open already and is not closed, such as standard input. The name is for errors.
func WaitOn(ctx context.Context, name string, r io.Reader) ([]byte, error) {
	return until(ctx, name, func() (io.ReadCloser, error) { return io.NopCloser(r), nil })
}

// until opens and reads something. Whoever opens a pipe that nobody writes cannot be ended: it goes on in a goroutine of its own,
// until this process ends.
func until(ctx context.Context, name string, open func() (io.ReadCloser, error)) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		r, err := open()
		if err != nil {
			done <- result{err: err}
			return
		}
		text, err := bounded(r, name)
		done <- result{text, errors.Join(err, r.Close())}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// bounded reads what is not too large.
func bounded(r io.Reader, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, largest+1))
	if err != nil {
		return nil, err
	}
	if len(text) > largest {
		return nil, fmt.Errorf("%s has more than %d MB, %w: take out what does not belong there", name, largest>>20, ErrLimit)
	}
	return text, nil
}
