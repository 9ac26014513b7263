package docker_test

import (
	"bytes"
	"testing"

	"nomadlab.internal/lab/engine"
)

// wantExec runs a command in a node, which must succeed and print that.
func (w testLab) wantExec(t *testing.T, r engine.Ref, want string, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	code, err := w.Exec(t.Context(), r, engine.Command{Args: args, Streams: engine.Streams{Stdout: &out, Stderr: &errs}})
	if err != nil || code != 0 || out.String() != want {
		t.Errorf("%q: code %d, %v, said %q and %q, want %q", args, code, err, out.String(), errs.String(), want)
	}
}

// onWrite is a writer that does something at the first byte.
type onWrite func()

func (f onWrite) Write(p []byte) (int, error) {
	f()
	return len(p), nil
}
