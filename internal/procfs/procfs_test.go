package procfs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"nomadlab.internal/internal/procfs"
)

func TestThisProcess(t *testing.T) {
	self, there := procfs.Read(os.Getpid())
	if !there || !self.Alive() || self.Ended() || self.Parent != os.Getppid() || self.Started == 0 {
		t.Errorf("this process is %+v", self)
	}
	if got := procfs.User(self.PID); got != os.Getuid() {
		t.Errorf("its user is %d, want %d", got, os.Getuid())
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := procfs.Command(self.PID), filepath.Base(program); got == "" || got != want[:min(len(want), 15)] {
		t.Errorf("it runs %q, want what %q begins with", got, want)
	}
	if resident, fileBacked, err := procfs.Memory(self.PID); err != nil || fileBacked == 0 || resident <= fileBacked {
		t.Errorf("%d bytes are in memory, %d backed by its program (%v)", resident, fileBacked, err)
	}
	if pids, err := procfs.PIDs(); err != nil || !slices.Contains(pids, self.PID) {
		t.Errorf("it is not among %v (%v)", pids, err)
	}
}

// TestALaterProcess with the same number is another one: it is not taken for the first, and no signal reaches it.
func TestALaterProcess(t *testing.T) {
	child := exec.Command("sleep", "600")
	child.Env = []string{"MARK=of this test"}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = child.Process.Kill(), child.Wait() })
	p, there := procfs.Read(child.Process.Pid)
	if !there {
		t.Fatal("it is not there")
	}
	if shown, err := procfs.Environment(p.PID); err != nil || len(shown) > 0 && !slices.Equal(shown, child.Env) { // none: it is being started
		t.Errorf("its environment is %q (%v)", shown, err)
	}
	later := procfs.ID{PID: p.PID, Started: p.Started + 1}
	if _, same := later.Now(); same || later.Alive() {
		t.Error("one of another start time is taken for it")
	}
	if err := later.Signal(os.Kill); err != nil || !p.Alive() {
		t.Errorf("a signal for a later one: %v, and it lives: %v", err, p.Alive())
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	_ = child.Wait()
	if p.Alive() {
		t.Error("control: it lives after a signal of its own")
	}
	if err := p.Signal(os.Kill); err != nil {
		t.Errorf("a signal for one that has ended: %v", err)
	}
}

func TestNoProcess(t *testing.T) {
	const none = 1 << 23 // above the greatest number that Linux gives (proc_sys_kernel(5))
	if p, there := procfs.Read(none); there || procfs.User(none) != -1 || procfs.Command(none) != "" {
		t.Errorf("it is %+v", p)
	}
	if _, err := procfs.Environment(none); err == nil {
		t.Error("it has an environment")
	}
	if _, _, err := procfs.Memory(none); err == nil {
		t.Error("it has memory")
	}
}
