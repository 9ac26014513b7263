// Package state keeps what nomadlab has on disk: a lab's folder with its record, keys and logs, and the reservations of names. It
// also removes what is left of labs that are gone. It has the names of the labels by which an engine says what runs.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/adrg/xdg"
	"github.com/gofrs/flock"

	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// Folder is where a lab keeps its keys, certificates and logs. If it is lost, so are the credentials, but the lab can
// still be listed and removed: the engine says what runs. Its name contains the lab's run, so that the watchdog of a
// killed start cannot remove the folder of the next one.
type Folder struct {
	// Path is the path of the folder, which need not exist.
	Path string
}

// stateFolder returns the folder of all state of this program: $XDG_STATE_HOME/nomadlab, or ~/.local/state/nomadlab if
// that is not set. As in the XDG specification, a relative path is ignored.
func stateFolder() string {
	if home := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, "nomadlab")
	}
	if filepath.IsAbs(os.Getenv("HOME")) {
		return filepath.Join(xdg.StateHome, "nomadlab")
	}
	// Package xdg would put the keys below the root folder. An account may have a home that HOME does not name.
	if u, err := osuser.LookupId(strconv.Itoa(os.Geteuid())); err == nil && filepath.IsAbs(u.HomeDir) && filepath.Clean(u.HomeDir) != "/" {
		return filepath.Join(u.HomeDir, ".local", "state", "nomadlab")
	}
	return nowhere
}

// nowhere is the state folder of a user without a home. Nothing is ever made there.
const nowhere = "/nonexistent/nomadlab"

// checkHome returns ErrNoFolder if this user has no state folder.
func checkHome() error {
	if stateFolder() == nowhere {
		return fmt.Errorf("%w: neither XDG_STATE_HOME nor HOME names a folder, and this user has no home: let XDG_STATE_HOME name a folder that you may write to", spec.ErrNoFolder)
	}
	return nil
}

func labsFolder() string { return filepath.Join(stateFolder(), "labs") }

// FolderOf returns the folder of one run of a lab; it need not exist. Names of labs contain no dot. The name and the run
// may come from labels, which others can set too: the result is always directly below the folder of labs.
func FolderOf(name, run string) Folder {
	return Folder{filepath.Join(labsFolder(), filepath.Base(name+"."+run))}
}

// KeptIn returns the folder of a run of a lab by the lab's labels, or FolderOf if they do not name one. It may belong to
// another user: only Condition may be asked of it.
func KeptIn(name string, labels map[string]string) Folder {
	if at := labels[LabelFolder]; filepath.IsAbs(at) {
		return Folder{filepath.Clean(at)}
	}
	return FolderOf(name, labels[LabelRun])
}

// OtherState returns ErrOtherState, with what to do, for a lab that is kept in another state folder than ours.
func OtherState(name string, labels map[string]string) error {
	own, kept := FolderOf(name, labels[LabelRun]), KeptIn(name, labels)
	if kept == own || own.Condition() != Gone {
		return nil
	}
	state := filepath.Dir(filepath.Dir(filepath.Dir(kept.Path))) // STATE/nomadlab/labs/NAME.RUN
	next := fmt.Sprintf("`XDG_STATE_HOME=%s nomadlab status %s` looks there", state, name)
	switch err := kept.checkOwner(); {
	case errors.Is(err, fs.ErrNotExist):
		next = fmt.Sprintf("which is not there now: `nomadlab down %s` removes the lab, which only the user who brought it up should do", name)
	case err != nil:
		next = "which is another user's: it is theirs to use and to remove"
	}
	return fmt.Errorf("%w: lab %s is kept in %s, %s", spec.ErrOtherState, name, kept.Path, next)
}

// folders returns the folders of all labs, in the order of their names.
func folders() ([]Folder, error) {
	entries, err := os.ReadDir(labsFolder())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for labs' folders: %w", err)
	}
	var out []Folder
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, Folder{filepath.Join(labsFolder(), e.Name())})
		}
	}
	return out, nil
}

// FoldersOf returns the folders of all runs of a lab: one, or several after crashes.
func FoldersOf(name string) ([]Folder, error) {
	all, err := folders()
	var out []Folder
	for _, f := range all {
		if strings.HasPrefix(f.base(), name+".") {
			out = append(out, f)
		}
	}
	return out, err
}

func (f Folder) base() string { return filepath.Base(f.Path) }

// LabName returns the name of the lab.
func (f Folder) LabName() string {
	name, _, _ := strings.Cut(f.base(), ".")
	return name
}

// checkOwner returns an error for a folder that does not exist or belongs to another user.
func (f Folder) checkOwner() error {
	info, err := os.Stat(f.Path)
	if err != nil {
		return err
	}
	if owner, known := info.Sys().(*syscall.Stat_t); known && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d", owner.Uid)
	}
	return nil
}

// TLS returns the folder of the lab's authority and cli credential.
func (f Folder) TLS() string { return filepath.Join(f.Path, "tls") }

// Root returns the folder of the root authority of a lab whose certificates an intermediate authority issues.
func (f Folder) Root() string { return filepath.Join(f.Path, "root") }

// Foreign returns the folder of the second authority that some agents trust.
func (f Folder) Foreign() string { return filepath.Join(f.Path, "foreign") }

// Brought returns the folder of the agents' credentials that came from a folder of the user's.
func (f Folder) Brought() string { return filepath.Join(f.Path, "brought") }

// Vault returns the folder of the secrets of the Vault server that issues the lab's certificates.
func (f Folder) Vault() string { return filepath.Join(f.Path, "vault") }

// RecordFile returns the file of the lab's record.
func (f Folder) RecordFile() string { return filepath.Join(f.Path, "lab.json") }

// LogFile returns the file into which a node's log is copied.
func (f Folder) LogFile(node string) string { return filepath.Join(f.Path, "logs", node+".log") }

func (f Folder) ownerFile() string { return filepath.Join(f.Path, "owner.lock") }

// Remove removes the folder with its contents. A folder that does not exist is no error.
func (f Folder) Remove() error { return os.RemoveAll(f.Path) }

// EvidenceFolder returns the folder for the evidence of that name.
func EvidenceFolder(name string) string { return filepath.Join(stateFolder(), "evidence", name) }

// Make makes the folder of a lab. It returns the lock that the owner holds, which is the process with which the lab is to
// end. The caller closes it.
func (f Folder) Make() (owner *flock.Flock, err error) {
	if err := os.MkdirAll(filepath.Join(f.Path, "logs"), 0o700); err != nil {
		return nil, fmt.Errorf("make the lab's folder: %w", err)
	}
	owner = flock.New(f.ownerFile(), flock.SetPermissions(0o600))
	if err := owner.Lock(); err != nil {
		return nil, fmt.Errorf("lock the lab's folder: %w", err)
	}
	return owner, nil
}

// Condition is what a folder says about the lab.
type Condition int

const (
	// Gone means that there is no folder, so that nothing is known.
	Gone Condition = iota
	// Kept is the folder of a lab that stays until it is removed.
	Kept
	// Owned is the folder of a lab that ends with a running process.
	Owned
	// Abandoned is the folder of a lab that was to end with a process which has ended.
	Abandoned
)

// Condition looks at the folder and changes nothing.
func (f Folder) Condition() Condition {
	if _, err := os.Stat(f.Path); err != nil {
		return Gone
	}
	// This must neither make the file nor keep another process from looking at the same time.
	lock := flock.New(f.ownerFile(), flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryRLock()
	_ = lock.Close()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Kept
	case err == nil && free:
		return Abandoned
	default:
		return Owned
	}
}

// Record is the description of a lab in its folder.
type Record struct {
	// Run distinguishes this lab from others of its name, past and future.
	Run    string    `json:"run"`
	Plan   plan.Plan `json:"plan"`
	Spec   spec.Spec `json:"spec"`
	Engine string    `json:"engine"`
	// Site is where the engine has the lab: the address of its Docker daemon, or its folder.
	Site    string    `json:"site"`
	Image   string    `json:"image"`
	Version string    `json:"nomad_version"`
	Created time.Time `json:"created"`
}

// LockChange locks the folder for one change of the running lab; ok is false if another change has locked it. The kernel unlocks it
// when the process ends.
func (f Folder) LockChange() (lock *flock.Flock, ok bool, err error) {
	lock = flock.New(filepath.Join(f.Path, "change.lock"), flock.SetPermissions(0o600))
	if ok, err = lock.TryLock(); err != nil || !ok {
		return nil, false, OutOfSpace(err)
	}
	return lock, true, nil
}

// Write writes the record into the folder, which must exist. It replaces an older one in one step.
func (f Folder) Write(r Record) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", f.RecordFile(), err)
	}
	draft := f.RecordFile() + ".draft"
	if err := os.WriteFile(draft, append(text, '\n'), 0o600); err != nil {
		return OutOfSpace(fmt.Errorf("write the record of the lab: %w", err))
	}
	return os.Rename(draft, f.RecordFile())
}

// Read reads the record. It returns ErrDamaged if the record is missing, belongs to another user, or is not as it was
// written.
func (f Folder) Read() (Record, error) {
	var r Record
	err := f.checkOwner()
	var text []byte
	if err == nil {
		text, err = os.ReadFile(f.RecordFile())
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err == nil && len(r.Plan.Nodes) == 0 {
		err = errors.New("it has no nodes")
	}
	if err != nil {
		return Record{}, fmt.Errorf("%w: %s: %w: nothing but its credentials is lost: `nomadlab down %s` removes the lab",
			spec.ErrDamaged, f.RecordFile(), err, f.LabName())
	}
	return r, nil
}
