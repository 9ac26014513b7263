package process_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/process"
)

// TestWrittenProgramCanBeRun: a program that was just written can be run at once, while other goroutines start processes, as the
// nodes of a lab do side by side.
func TestWrittenProgramCanBeRun(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile("/bin/true")
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel()
	for range 3 {
		others.Go(func() {
			for ctx.Err() == nil {
				_ = exec.CommandContext(ctx, "/bin/true").Run() // it is the fork that counts
			}
		})
	}
	folder := t.TempDir()
	for i := range 300 {
		path := filepath.Join(folder, strconv.Itoa(i))
		must(t, process.WriteFiles(folder, []engine.File{{Path: path, Mode: 0o755, Data: program}}))
		if err := exec.CommandContext(ctx, path).Run(); err != nil {
			t.Fatalf("program %d: %v", i, err)
		}
	}
}
