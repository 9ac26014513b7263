package labtest_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/image"
)

// nobody is the ID of a user and group without privileges.
const nobody = 65534

// TestWithoutDockerAndWithoutRoot: on a machine where Docker does not answer, the test of an unprivileged user gets its
// cluster all the same, and learns what that cluster cannot do.
func TestWithoutDockerAndWithoutRoot(t *testing.T) {
	t.Parallel()
	home, name := openFolder(t), victimName()
	c := prepare(t, home, "fail", 1, labName+"="+name, engines.Variable+"="+string(engines.Auto),
		"DOCKER_HOST=unix://"+filepath.Join(home, "no.sock"), "HOME="+home, "XDG_CACHE_HOME="+home, "USER=nobody")
	if os.Geteuid() == 0 {
		c.command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	shareBinary(t, home)
	c.start(t)
	f := c.ready(t, 1)[0]
	for _, at := range f.Endpoints {
		if !at.Addr().IsLoopback() {
			t.Errorf("the lab is reached at %s", at)
		}
	}
	agents := environments(t, "NOMADLAB_RUN="+f.Run)
	if len(agents) == 0 {
		t.Error("no process bears the lab's run")
	}
	if c.end() == nil {
		t.Error("the child's test must fail, because only then it prints its log")
	}
	if said := c.printed.String(); !strings.Contains(said, "agents run as processes on this machine") {
		t.Errorf("nothing says that there is no Docker:\n%s", said)
	}
	gone(t, name, f.Run, home, 0)
}

// openFolder returns a folder that every user may enter and write to.
func openFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "unprivileged-") //nolint:usetesting // only this user may enter the folder of t.TempDir
	if err == nil {
		err = os.Chmod(folder, 0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// shareBinary copies this user's Nomad to where the unprivileged user looks for a built one.
func shareBinary(t *testing.T, home string) {
	t.Helper()
	x, err := image.ResolveBinary(t.Context(), image.Request{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(home, "nomadlab", "image")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(x.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(filepath.Join(cache, filepath.Base(x.Path)), os.O_CREATE|os.O_WRONLY, 0o755)
	if err == nil {
		_, err = io.Copy(to, from)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		return
	}
	for _, at := range []string{filepath.Join(home, "nomadlab"), cache, to.Name()} {
		if err := os.Chown(at, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
}
