//go:build !linux

package process

import (
	"os"
	"time"

	"nomadlab.internal/internal/procfs"
)

// New returns an error on every other system, so none of these functions is called there.

func missingPowers() []string { return nil }

func awaitChild(int) {}

func inherited() []*os.File { return nil }

func interruptible(console *os.File) (*os.File, error) { return console, nil }

func startOf(procfs.Process) time.Time { return time.Time{} }
