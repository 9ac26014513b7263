// Package userfile reads the files that a user names. A user may name anything: a file without an end, or one that blocks its
// reader, must neither fill the memory nor hang the program.
package userfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// maxSize bounds what is read, in bytes. The largest known agent configuration has some KB.
const maxSize = 4 << 20

// ErrLimit is wrapped by errors about files that nomadlab does not read, although other programs may.
var ErrLimit = errors.New("a limit of nomadlab")

// Read reads a regular file of at most 4 MB. It refuses other files, such as a pipe, which would block, or /dev/zero, which has
// no end. Its errors name the file.
func Read(path string) ([]byte, error) {
	// Without O_NONBLOCK the opening of a pipe would block.
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
	return readBounded(f, path)
}

// ReadAny reads a file of any kind until its end or the end of ctx: also a pipe, such as a shell's <(COMMAND), which ends when
// its writer does, or a terminal. It refuses more than 4 MB.
func ReadAny(ctx context.Context, path string) ([]byte, error) {
	return until(ctx, path, func() (io.ReadCloser, error) { return os.Open(path) })
}

// ReadFrom is ReadAny for an open reader, such as standard input. It does not close it. The name is for errors.
func ReadFrom(ctx context.Context, name string, r io.Reader) ([]byte, error) {
	return until(ctx, name, func() (io.ReadCloser, error) { return io.NopCloser(r), nil })
}

// until opens and reads in a goroutine of its own. The opening of a pipe without a writer cannot be ended: that goroutine stays
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
		text, err := readBounded(r, name)
		done <- result{text, errors.Join(err, r.Close())}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// readBounded reads to the end, at most maxSize.
func readBounded(r io.Reader, name string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSize {
		return nil, fmt.Errorf("%s has more than %d MB, %w: take out what does not belong there", name, maxSize>>20, ErrLimit)
	}
	return text, nil
}
