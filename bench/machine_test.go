package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/api/types/container"
)

// marker is in the environment of the processes that are to be counted.
const marker = "NOMADLAB_TEST_WEIGHED"

// TestMain lets this test binary be started again as a process that is counted: it ends when its input does.
func TestMain(m *testing.M) {
	if os.Getenv(marker) != "" {
		_, _ = os.Stdout.WriteString("here\n")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

// weighed starts a process with that mark, and returns when it runs.
func weighed(t *testing.T, mark string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), mark, "GORACE=atexit_sleep_ms=0") // the race detector would keep it for a second
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	if _, err := io.ReadFull(out, make([]byte, len("here\n"))); err != nil {
		t.Fatal(err)
	}
}

// TestProcessMemory counts two marked processes beside two that are marked otherwise, one of them only almost.
func TestProcessMemory(t *testing.T) {
	mark := marker + "=" + strings.ReplaceAll(t.TempDir(), "/", "-")
	weighed(t, mark+"x")
	weighed(t, marker+"=another")
	if m, err := processMemory(mark); err == nil {
		t.Errorf("of no process there is %+v", m)
	}
	weighed(t, mark)
	weighed(t, mark)
	m, err := processMemory(mark)
	if err != nil {
		t.Fatal(err)
	}
	if m.nodes != 2 || m.private == 0 || m.private >= m.total || m.counted == "" {
		t.Errorf("got %+v, want two processes, and some of their memory shared", m)
	}
}

// TestCharged: the two versions of cgroups say the same in other words.
func TestCharged(t *testing.T) {
	type sums struct{ Total, Private uint64 }
	for name, c := range map[string]struct {
		said container.MemoryStats
		want sums
	}{
		"version 1": {container.MemoryStats{Usage: 100, Stats: map[string]uint64{
			"total_inactive_file": 30, "inactive_file": 1, "total_rss": 50, "rss": 2,
		}}, sums{70, 50}},
		"version 2":           {container.MemoryStats{Usage: 100, Stats: map[string]uint64{"inactive_file": 30, "anon": 50}}, sums{70, 50}},
		"more than there is":  {container.MemoryStats{Usage: 10, Stats: map[string]uint64{"inactive_file": 30, "anon": 5}}, sums{0, 5}},
		"nothing to be known": {container.MemoryStats{}, sums{}},
	} {
		t.Run(name, func(t *testing.T) {
			total, private := charged(c.said)
			if diff := cmp.Diff(c.want, sums{total, private}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
