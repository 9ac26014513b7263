//go:build !linux

package process

import (
	"os"
	"time"

	"nomadlab.internal/internal/procfs"
)

// New returns an error on every other system, so none of these functions is called there.

func missingCapabilities() []string { return nil }

func awaitChild(int) {}

func inheritedFiles() []*os.File { return nil }

func reopenNonblocking(console *os.File) (*os.File, error) { return console, nil }

func startTime(procfs.Process) time.Time { return time.Time{} }
