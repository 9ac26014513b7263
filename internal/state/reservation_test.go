package state_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/spec"
)

// TestALockThatComesTooLateIsNotTaken: a process that gave up waiting for the lock does not take it later, when its holder unlocks it.
func TestALockThatComesTooLateIsNotTaken(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "labs.lock")
	holder := flock.New(file)
	if err := holder.Lock(); err != nil {
		t.Fatal(err)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := state.LockUntil(late, file); err == nil || !strings.Contains(err.Error(), "has it been stopped?") {
		t.Errorf("a lock that another holds: %v", err)
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for range 2 { // the first gives way to a process that still waits, the second finds it taken
		lock, err := state.LockUntil(soon, file)
		if err != nil {
			t.Fatal(err)
		}
		if err := lock.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLocksOfTheKilled are removed when any name is reserved; those that are held stay.
func TestLocksOfTheKilled(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	held, err := state.Reserve("held")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	folder := filepath.Dir(state.FolderOf("x", "y").Path)
	left, kept := filepath.Join(folder, "killed.lock"), filepath.Join(folder, "held.lock")
	if err := os.WriteFile(left, nil, 0o600); err != nil { // as kill -9 leaves it
		t.Fatal(err)
	}
	next, err := state.Reserve("next")
	if err != nil {
		t.Fatal(err)
	}
	next.Release()
	if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", left, err)
	}
	if _, err := os.Lstat(kept); err != nil {
		t.Errorf("a reservation that is held is gone: %v", err)
	}
	if _, err := state.Reserve("held"); !errors.Is(err, spec.ErrTaken) {
		t.Errorf("a name that is held: %v", err)
	}
}
