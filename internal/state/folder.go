// Package state is what lies on disk: a lab's folder with its record, its keys and its logs, the reservation of names, and what is
// left of labs that are gone. What runs is never asked here: the engine says that, by labels whose names are here too.
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

// Folder is where a lab keeps its keys, certificates and logs. Losing it costs the credentials, never the power to
// list and remove the lab: what runs is what the engine says. Its name has the lab's run in it, so that the watchdog of
// a start that was killed cannot remove the folder of the next one.
type Folder struct {
	// Path is where it is, there or not.
	Path string
}

// stateFolder is where all of this program's state is: $XDG_STATE_HOME/nomadlab, ~/.local/state/nomadlab where that is
// not set. As the XDG specification wants it, a path that is not absolute counts as none.
func stateFolder() string {
	if home := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, "nomadlab")
	}
	if filepath.IsAbs(os.Getenv("HOME")) {
		return filepath.Join(xdg.StateHome, "nomadlab")
	}
	// Package xdg would put the keys below the root folder. An account has a home without the variable too.
	if u, err := osuser.LookupId(strconv.Itoa(os.Geteuid())); err == nil && filepath.IsAbs(u.HomeDir) && filepath.Clean(u.HomeDir) != "/" {
		return filepath.Join(u.HomeDir, ".local", "state", "nomadlab")
	}
	return nowhere
}

// nowhere is the state folder of a user without a home. Nothing is ever made there.
const nowhere = "/nonexistent/nomadlab"

// housed returns ErrNoFolder where nothing says where this program's state belongs.
func housed() error {
	if stateFolder() == nowhere {
		return fmt.Errorf("%w: neither XDG_STATE_HOME nor HOME names a folder, and this user has no home: let XDG_STATE_HOME name a folder that you may write to", spec.ErrNoFolder)
	}
	return nil
}

func labsFolder() string { return filepath.Join(stateFolder(), "labs") }

// FolderOf returns the folder of one run of a lab, there or not. A dot is in no lab's name. Both may come from what bears a label or a mark,
// which others can make too: it is a folder for labs whatever they say.
func FolderOf(name, run string) Folder {
	return Folder{filepath.Join(labsFolder(), filepath.Base(name+"."+run))}
}

// KeptIn returns the folder of a run of a lab by the lab's own labels, or by our state folder where they say nothing of it. It may be
// another user's: nothing is read there but whether its owner lives.
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
	switch err := kept.ours(); {
	case errors.Is(err, fs.ErrNotExist):
		next = fmt.Sprintf("which is not there now: `nomadlab down %s` removes the lab, which only whoever brought it up should do", name)
	case err != nil:
		next = "which is another user's: it is theirs to use and to remove"
	}
	return fmt.Errorf("%w: lab %s is kept in %s, %s", spec.ErrOtherState, name, kept.Path, next)
}

// folders are those of all labs, in the order of their names.
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

// FoldersOf returns the folders of all runs of a lab: one, or what crashes have left.
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

// ours is an error for a folder of somebody else's.
func (f Folder) ours() error {
	info, err := os.Stat(f.Path)
	if err != nil {
		return err
	}
	if owner, known := info.Sys().(*syscall.Stat_t); known && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d", owner.Uid)
	}
	return nil
}

// TLS returns the folder of the lab's authority and of its user's credential.
func (f Folder) TLS() string { return filepath.Join(f.Path, "tls") }

// Foreign returns the folder of the authority that is not the lab's and that some agents trust.
func (f Folder) Foreign() string { return filepath.Join(f.Path, "foreign") }

// RecordFile returns the file of the lab's record.
func (f Folder) RecordFile() string { return filepath.Join(f.Path, "lab.json") }

// LogFile returns the file into which a node's log is copied.
func (f Folder) LogFile(node string) string { return filepath.Join(f.Path, "logs", node+".log") }

func (f Folder) ownerFile() string { return filepath.Join(f.Path, "owner.lock") }

// Remove removes the folder with all that is in it. One that is not there is no error.
func (f Folder) Remove() error { return os.RemoveAll(f.Path) }

// EvidenceFolder returns where the evidence of that name is kept.
func EvidenceFolder(name string) string { return filepath.Join(stateFolder(), "evidence", name) }

// Make makes the folder of a lab, and returns the lock that its owner holds: the process with which the lab is to end. The
// caller closes it.
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

// Condition is what a folder says about its lab.
type Condition int

const (
	// Gone is no folder, which says nothing.
	Gone Condition = iota
	// Kept is a lab that stays until somebody removes it.
	Kept
	// Owned is a lab that ends with a process that lives.
	Owned
	// Abandoned is a lab that was to end with a process that is dead.
	Abandoned
)

// Condition looks at the folder. It neither makes nor keeps anything.
func (f Folder) Condition() Condition {
	if _, err := os.Stat(f.Path); err != nil {
		return Gone
	}
	// Looking must neither make the file nor keep another from looking at the same time.
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

// Record is what a lab's folder says about it.
type Record struct {
	// Run tells this lab from others of its name, past and future.
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

// Write writes the record into the folder, which must be there.
func (f Folder) Write(r Record) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", f.RecordFile(), err)
	}
	return os.WriteFile(f.RecordFile(), append(text, '\n'), 0o600)
}

// Read reads the record. It returns ErrDamaged for one that is missing, another user's, or not as it was written.
func (f Folder) Read() (Record, error) {
	var r Record
	err := f.ours()
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
