package state_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/spec"
)

// stateIn keeps the labs' folders of one test to itself.
func stateIn(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("XDG_STATE_HOME", home)
	return home
}

// madeFolder is the folder of a lab that is being started.
func madeFolder(t *testing.T, name, run string) state.Folder {
	t.Helper()
	f := state.FolderOf(name, run)
	owner, err := f.Make()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = owner.Close() })
	return f
}

// addresses lets cmp compare addresses.
func addresses() cmp.Option {
	return cmp.Options{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	}
}

// detailed is a lab of which much is said.
func detailed() spec.Spec {
	return spec.Spec{}.With(spec.Servers(1), spec.Clients(1), func(s *spec.Spec) {
		s.Name, s.LogLevel, s.Subnet, s.Nomad = "details", "TRACE", "10.99.7.13/24", spec.Nomad{Version: "1.10.5"}
		s.Certificates = spec.Certificates{TTL: 3600e9, DNSNames: []string{"nomad.example"}, IPs: []string{"192.0.2.1", "2001:db8::1"}}
	})
}

func exampleRecord(t *testing.T) state.Record {
	t.Helper()
	spec := detailed()
	return state.Record{
		Run: "0a1b", Plan: spectest.Plan(t, spec), Spec: spec, Engine: "docker", Image: "nomad:test", Version: "1.11.3",
		Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func TestRecordComesBackAsItWas(t *testing.T) {
	home := stateIn(t)
	f := madeFolder(t, "demo", "0a1b")
	want := exampleRecord(t)
	if err := f.Write(want); err != nil {
		t.Fatal(err)
	}
	got, err := state.FolderOf("demo", "0a1b").Read()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, addresses()); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	if want := filepath.Join(home, "nomadlab", "labs", "demo.0a1b"); f.Path != want {
		t.Errorf("the folder is %s, want %s", f.Path, want)
	}
	for path, want := range map[string]fs.FileMode{f.Path: fs.ModeDir | 0o700, filepath.Dir(f.Path): fs.ModeDir | 0o700, f.RecordFile(): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want mode %s", path, info.Mode(), err, want)
		}
	}
}

func TestDamagedRecord(t *testing.T) {
	stateIn(t)
	f := madeFolder(t, "demo", "0a1b")
	if err := f.Write(exampleRecord(t)); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(f.RecordFile())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "cut short": string(whole[:len(whole)/2]), "not JSON": "lab", "without nodes": "{}",
		"an address that is none": strings.Replace(string(whole), `"10.99.7.11"`, `"10.99.7.x"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(f.RecordFile(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := f.Read()
			if !errors.Is(err, spec.ErrDamaged) || !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), "`nomadlab down demo`") {
				t.Errorf("error %v, want one that wraps ErrDamaged and ErrInvalid and tells what still works", err)
			}
			if err := os.WriteFile(f.RecordFile(), whole, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Read(); err != nil {
				t.Errorf("put right, still damaged: %v", err)
			}
		})
	}
	if _, err := state.FolderOf("none", "0a1b").Read(); !errors.Is(err, spec.ErrDamaged) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a record that is not there: %v", err)
	}
}

// TestConditionOfAFolder: a lab that stays, one whose owner lives, and what a killed start left.
func TestConditionOfAFolder(t *testing.T) {
	stateIn(t)
	f := state.FolderOf("demo", "0a1b")
	demand := func(when string, want state.Condition) {
		t.Helper()
		if got := f.Condition(); got != want {
			t.Errorf("%s: condition %d, want %d", when, got, want)
		}
	}
	demand("no folder", state.Gone)
	owner, err := f.Make()
	if err != nil {
		t.Fatal(err)
	}
	demand("its owner lives", state.Owned)
	if err := owner.Close(); err != nil {
		t.Fatal(err)
	}
	demand("its owner is dead", state.Abandoned)
	if err := os.Remove(owner.Path()); err != nil {
		t.Fatal(err)
	}
	demand("it stays", state.Kept)
}

// TestRemoveLeftovers removes what dead owners left, and nothing else.
func TestRemoveLeftovers(t *testing.T) {
	stateIn(t)
	alive, running := madeFolder(t, "alive", "01"), state.FolderOf("running", "02")
	var dead []state.Folder
	for _, f := range []state.Folder{running, state.FolderOf("dead", "03")} {
		owner, err := f.Make()
		if err != nil {
			t.Fatal(err)
		}
		if err := owner.Close(); err != nil {
			t.Fatal(err)
		}
		dead = append(dead, f)
	}
	held := reserve(t, "held")
	defer held.Release()
	left := filepath.Join(filepath.Dir(alive.Path), "left.lock")
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := state.RemoveLeftovers(map[string]bool{"running.02": true}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		alive.Path: true, running.Path: true, dead[1].Path: false,
		filepath.Join(filepath.Dir(left), "held.lock"): true, left: false,
	} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: there %v, want %v", path, err == nil, want)
		}
	}
}

// TestFoldersOfALab finds those of all its runs, and no other lab's.
func TestFoldersOfALab(t *testing.T) {
	stateIn(t)
	r := reserve(t, "demo")
	defer r.Release()
	want := []state.Folder{madeFolder(t, "demo", "0a"), madeFolder(t, "demo", "0b")}
	madeFolder(t, "demo-2", "0c")
	madeFolder(t, "dem", "0d")
	got, err := state.FoldersOf("demo")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func reserve(t *testing.T, name string) *state.Reservation {
	t.Helper()
	r, err := state.Reserve(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestStateOfAUserWithoutHOME is in the home of the account, and never below the root folder.
func TestStateOfAUserWithoutHOME(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "")
	account, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, home := range []string{"", "relative"} {
		t.Setenv("HOME", home)
		want := filepath.Join(account.HomeDir, ".local", "state", "nomadlab", "labs", "demo.0a1b")
		if got := state.FolderOf("demo", "0a1b").Path; got != want {
			t.Errorf("HOME is %q: the folder is %s, want %s", home, got, want)
		}
	}
}

func TestOnlyOneStartsUnderAName(t *testing.T) {
	stateIn(t)
	first := reserve(t, "demo")
	for range 3 { // being refused must not release another start's reservation
		if _, err := state.Reserve("demo"); !errors.Is(err, spec.ErrTaken) || !errors.Is(err, spec.ErrInvalid) {
			t.Fatalf("the second start: %v, want ErrTaken", err)
		}
	}
	reserve(t, "demo-2").Release()
	first.Release()
	reserve(t, "demo").Release()
}

// TestReservationsExclude lets many starts race for one name, with those that end removing the file under the feet of
// those that begin.
func TestReservationsExclude(t *testing.T) {
	stateIn(t)
	var holders, had atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				r, err := state.Reserve("demo")
				if errors.Is(err, spec.ErrTaken) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				had.Add(1)
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d have the name at once", n)
				}
				for range 20 { // time for the others to find the file, or none
					runtime.Gosched()
				}
				if n := holders.Add(-1); n != 0 {
					t.Errorf("%d others have the name at the end", n)
				}
				r.Release()
			}
		})
	}
	wg.Wait()
	if had.Load() < 8 {
		t.Errorf("the name was had %d times: this proves little", had.Load())
	}
}

// TestRemoveLeftoversKeepsFoldersThatAreBeingMade: between the making of a folder's lock and its locking, the folder looks like one
// whose owner is dead.
func TestRemoveLeftoversKeepsFoldersThatAreBeingMade(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	done := make(chan struct{})
	var tidying sync.WaitGroup
	for range 2 {
		tidying.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := state.RemoveLeftovers(nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var making sync.WaitGroup
	for i := range 4 {
		making.Go(func() {
			name := fmt.Sprintf("lab-%d", i)
			for run := range 100 {
				r, err := state.Reserve(name)
				if err != nil {
					t.Errorf("reserve %s: %v", name, err)
					return
				}
				f := state.FolderOf(name, fmt.Sprintf("%08x", run))
				owner, err := f.Make()
				if err != nil {
					t.Errorf("make the folder: %v", err)
					return
				}
				if _, err := os.Stat(owner.Path()); err != nil {
					t.Errorf("it was tidied up while it was being made: %v", err)
				}
				_ = owner.Close()
				r.Release()
			}
		})
	}
	making.Wait()
	close(done)
	tidying.Wait()
}

// TestFoldersAreWhereLabsAre, whatever a label or a mark says, which others can make too.
func TestFoldersAreWhereLabsAre(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	labs := strings.TrimSuffix(state.FolderOf("a", "b").Path, "a.b")
	for _, run := range []string{"../../../evil", "/etc", "..", "x/../../y"} {
		if at := state.FolderOf("demo", run).Path; !strings.HasPrefix(at, labs) || strings.Contains(strings.TrimPrefix(at, labs), "/") {
			t.Errorf("run %q: %s is not in %s", run, at, labs)
		}
	}
}
