package lab_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"nomadlab.internal/lab"
)

// TestALockThatComesTooLateIsNobodys: whoever gave up waiting for the lock does not take it afterwards, when its holder lets go.
func TestALockThatComesTooLateIsNobodys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "labs.lock")
	holder := flock.New(file)
	if err := holder.Lock(); err != nil {
		t.Fatal(err)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := lab.LockUntil(late, file); err == nil || !strings.Contains(err.Error(), "has it been stopped?") {
		t.Errorf("a lock that another holds: %v", err)
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 2 { // the first gives way to whoever still waits, the second finds it taken
		lock, err := lab.LockUntil(soon, file)
		if err != nil {
			t.Fatal(err)
		}
		if err := lock.Close(); err != nil {
			t.Error(err)
		}
	}
}
