package process_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/process"
)

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no owner")
	}
	return int(stat.Uid)
}

// userOf returns the node's user: the caller or, if that is root, one that no account has.
func (w testLab) userOf(t *testing.T, node string) int {
	t.Helper()
	uid := ownerOf(t, w.home(node))
	if sound := uid == os.Geteuid() && uid != 0 || os.Geteuid() == 0 && uid >= 60578 && uid <= 61183; !sound {
		t.Errorf("node %s is user %d's", node, uid)
	}
	return uid
}

// TestFileModes: files have their modes whatever the umask, and belong to the node's user. It changes the umask of the whole
// process, and so does not run beside others.
func TestFileModes(t *testing.T) {
	for _, umask := range []int{0, 0o077} {
		before := syscall.Umask(umask)
		w := newTestLab(t)
		n := w.service("one", 1)
		n.Files = append(n.Files,
			engine.File{Path: w.home("one") + "/tls/key.pem", Mode: 0o600, Data: []byte("key")},
			engine.File{Path: w.home("one") + "/data", Mode: fs.ModeDir | 0o777},
			engine.File{Path: w.home("one") + "/tls", Mode: fs.ModeDir | 0o700})
		err := w.Create(t.Context(), n)
		syscall.Umask(before)
		must(t, err)
		got := map[string]string{}
		must(t, filepath.WalkDir(w.root, func(path string, d fs.DirEntry, err error) error {
			must(t, err)
			info, err := d.Info()
			must(t, err)
			if info.Mode().Type() != fs.ModeSymlink {
				got[strings.TrimPrefix(path, w.root)] = fmt.Sprint(info.Mode(), " ", ownerOf(t, path))
			}
			return nil
		}))
		want := w.tree(t)
		for path := range got {
			if strings.Contains(path, "/.engine/bin/") {
				delete(got, path) // root's alone
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("umask %04o (-want +got):\n%s", umask, diff)
		}
	}
}

// tree returns all files of a lab with one node.
func (w testLab) tree(t *testing.T) map[string]string {
	t.Helper()
	me, node := fmt.Sprint(" ", os.Geteuid()), fmt.Sprint(" ", w.userOf(t, "one"))
	run, passable := "/"+w.run, "drwx------"
	want := map[string]string{}
	if os.Geteuid() == 0 {
		passable = "drwx--x--x"
		want[run+"/.engine/bin"] = passable + me
		want[run+"/.engine/nodes/one/user"] = "-rw-------" + me
	}
	maps.Copy(want, map[string]string{
		"": passable + me, "/.lock": "-rw-------" + me, run: passable + me, run + "/.engine": passable + me,
		run + "/.engine/lab.json": "-rw-------" + me, run + "/.engine/nodes": "drwx------" + me,
		run + "/.engine/nodes/one": "drwx------" + me, run + "/.engine/nodes/one/node.json": "-rw-------" + me,
		run + "/one": "drwx------" + node, run + "/one/bin": "drwx------" + node, run + "/one/tmp": "drwx------" + node,
		run + "/one/config": "drwxr-x---" + node, run + "/one/config/file": "-rw-rw-rw-" + node,
		run + "/one/tls": "drwx------" + node, run + "/one/tls/key.pem": "-rw-------" + node, run + "/one/data": "drwxrwxrwx" + node,
	})
	return want
}

// TestCreateRefuses: nothing stays of a node that cannot be created.
func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	file := func(path string) func(*engine.Node) {
		return func(n *engine.Node) { n.Files = []engine.File{{Path: path, Mode: 0o600, Data: []byte("x")}} }
	}
	outside := filepath.Join(t.TempDir(), "outside")
	for name, spoil := range map[string]func(*engine.Node){
		"file outside":            file(outside),
		"file above":              file(w.home("one") + "/../escaped"),
		"file of another node":    file(w.home("two") + "/file"),
		"relative file":           file("file"),
		"no port":                 func(n *engine.Node) { n.Ports = nil },
		"no command":              func(n *engine.Node) { n.Command = nil },
		"no image":                func(n *engine.Node) { n.Image = "" },
		"an image's name":         func(n *engine.Node) { n.Image = "hashicorp/nomad:1.11.3" },
		"a binary that is not":    func(n *engine.Node) { n.Image = "/no/such/nomad" },
		"a binary that is a text": func(n *engine.Node) { n.Image = "/etc/passwd" },
		"an address of others":    func(n *engine.Node) { n.Address = netip.MustParseAddr("10.0.0.1") },
		"no run":                  func(n *engine.Node) { n.Run = "" },
		"another run":             func(n *engine.Node) { n.Run = random("") },
		"a run that climbs":       func(n *engine.Node) { n.Run = ".." },
		"a name that climbs":      func(n *engine.Node) { n.Node = "../x" },
		"the engine's folder":     func(n *engine.Node) { n.Node = ".engine" },
		"another lab's run":       func(n *engine.Node) { n.Lab = random("proc-") },
	} {
		n := w.service("one", 1)
		spoil(&n)
		if err := w.Create(t.Context(), n); err == nil {
			t.Errorf("%s: it was created", name)
		}
		if _, err := os.Lstat(w.home("one")); err == nil {
			t.Errorf("%s: its folder is there", name)
		}
	}
	for _, path := range []string{outside, w.home("two"), filepath.Join(w.folder(), "escaped")} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was written", path)
		}
	}
	must(t, w.Create(t.Context(), w.service("one", 1)))
	if err := w.Create(t.Context(), w.service("one", 2)); !errors.Is(err, engine.ErrExists) {
		t.Errorf("a second node of that name: %v, want ErrExists", err)
	}
	if states, err := w.Nodes(t.Context(), w.lab); err != nil || len(states) != 1 {
		t.Errorf("the first is as it was: %v, %v", states, err)
	}
}

// TestRecordsHaveNoFiles: the content of files, such as keys, is in no record.
func TestRecordsHaveNoFiles(t *testing.T) {
	t.Parallel()
	w := newTestLab(t)
	n := w.service("one", 1)
	secret := random("secret-")
	n.Files = append(n.Files, engine.File{Path: w.home("one") + "/key", Mode: 0o600, Data: []byte(secret)})
	w.started(t, n)
	holders := 0
	must(t, filepath.WalkDir(w.folder(), func(path string, d fs.DirEntry, err error) error {
		must(t, err)
		if d.Type().IsRegular() && !strings.HasSuffix(path, "/nomad") {
			text, err := os.ReadFile(path)
			must(t, err)
			if strings.Contains(string(text), secret) {
				holders++
			}
		}
		return nil
	}))
	if holders != 1 {
		t.Errorf("%d files have the secret, want the one", holders)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	must(t, err)
	defer full.Close()
	_, wrote := full.WriteString("x")
	if err := process.Explain(newTestLab(t).Engine, wrote); !errors.Is(err, engine.ErrNoSpace) || !errors.Is(err, wrote) {
		t.Errorf("%v, want ErrNoSpace with its cause", err)
	}
	if err := process.Explain(newTestLab(t).Engine, fs.ErrPermission); errors.Is(err, engine.ErrNoSpace) {
		t.Errorf("the control: %v", err)
	}
}
