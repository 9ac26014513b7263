package lab

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

const (
	// ErrTaken is returned when a lab of that name exists already, or is being started. It is an ErrInvalid.
	ErrTaken = spec.InputError("the name is taken")
	// ErrDamaged is returned when a lab's folder cannot be read as it was written. The lab itself may well run. It is an
	// ErrInvalid.
	ErrDamaged = spec.InputError("the lab's folder is damaged")
	// ErrOtherState is returned for a lab whose folder is in another state folder than this process uses: it was brought up by
	// another user, or with another HOME or XDG_STATE_HOME. It is an ErrInvalid.
	ErrOtherState = spec.InputError("the lab's folder is another state folder's")
)

// folder is where a lab keeps its keys, certificates and logs. Losing it costs the credentials, never the power to
// list and remove the lab: what runs is what the engine says. Its name has the lab's run in it, so that the watchdog of
// a start that was killed cannot remove the folder of the next one.
type folder struct{ path string }

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
		return fmt.Errorf("%w: neither XDG_STATE_HOME nor HOME names a folder, and this user has no home: let XDG_STATE_HOME name a folder that you may write to", ErrNoFolder)
	}
	return nil
}

func labsFolder() string { return filepath.Join(stateFolder(), "labs") }

// folderOf is the folder of one run of a lab. A dot is in no lab's name. Both may come from what bears a label or a mark,
// which others can make too: it is a folder for labs whatever they say.
func folderOf(name, run string) folder {
	return folder{filepath.Join(labsFolder(), filepath.Base(name+"."+run))}
}

// keptIn is the folder of a run of a lab by the lab's own labels, or by our state folder where they say nothing of it. It may be
// another user's: nothing is read there but whether its owner lives.
func keptIn(name string, labels map[string]string) folder {
	if at := labels[labelFolder]; filepath.IsAbs(at) {
		return folder{filepath.Clean(at)}
	}
	return folderOf(name, labels[labelRun])
}

// otherState is ErrOtherState, with what to do, for a lab that is kept in another state folder than ours.
func otherState(name string, labels map[string]string) error {
	own, kept := folderOf(name, labels[labelRun]), keptIn(name, labels)
	if kept == own || own.condition() != gone {
		return nil
	}
	state := filepath.Dir(filepath.Dir(filepath.Dir(kept.path))) // STATE/nomadlab/labs/NAME.RUN
	next := fmt.Sprintf("`XDG_STATE_HOME=%s nomadlab status %s` looks there", state, name)
	switch err := kept.ours(); {
	case errors.Is(err, fs.ErrNotExist):
		next = fmt.Sprintf("which is not there now: `nomadlab down %s` removes the lab, which only whoever brought it up should do", name)
	case err != nil:
		next = "which is another user's: it is theirs to use and to remove"
	}
	return fmt.Errorf("%w: lab %s is kept in %s, %s", ErrOtherState, name, kept.path, next)
}

// folders are those of all labs, in the order of their names.
func folders() ([]folder, error) {
	entries, err := os.ReadDir(labsFolder())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for labs' folders: %w", err)
	}
	var out []folder
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, folder{filepath.Join(labsFolder(), e.Name())})
		}
	}
	return out, nil
}

// foldersOf are the folders of all runs of a lab: one, or what crashes have left.
func foldersOf(name string) ([]folder, error) {
	all, err := folders()
	var out []folder
	for _, f := range all {
		if strings.HasPrefix(f.base(), name+".") {
			out = append(out, f)
		}
	}
	return out, err
}

func (f folder) base() string { return filepath.Base(f.path) }

// lab is the name of the lab.
func (f folder) lab() string {
	name, _, _ := strings.Cut(f.base(), ".")
	return name
}

// ours is an error for a folder of somebody else's.
func (f folder) ours() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if owner, known := info.Sys().(*syscall.Stat_t); known && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d", owner.Uid)
	}
	return nil
}

func (f folder) tls() string              { return filepath.Join(f.path, "tls") }
func (f folder) foreign() string          { return filepath.Join(f.path, "foreign") }
func (f folder) record() string           { return filepath.Join(f.path, "lab.json") }
func (f folder) log(node string) string   { return filepath.Join(f.path, "logs", node+".log") }
func (f folder) ownerFile() string        { return filepath.Join(f.path, "owner.lock") }
func (f folder) remove() error            { return os.RemoveAll(f.path) }
func (f folder) evidence(t string) string { return filepath.Join(stateFolder(), "evidence", t) }

// make makes the folder of a lab, and the lock that its owner holds: the process with which the lab is to end.
func (f folder) make() (owner *flock.Flock, err error) {
	if err := os.MkdirAll(filepath.Join(f.path, "logs"), 0o700); err != nil {
		return nil, fmt.Errorf("make the lab's folder: %w", err)
	}
	owner = flock.New(f.ownerFile(), flock.SetPermissions(0o600))
	if err := owner.Lock(); err != nil {
		return nil, fmt.Errorf("lock the lab's folder: %w", err)
	}
	return owner, nil
}

// condition is what a folder says about its lab.
type condition int

const (
	// gone: there is no folder, which says nothing.
	gone condition = iota
	// kept: the lab stays until somebody removes it.
	kept
	// owned: the lab ends with a process that lives.
	owned
	// abandoned: the process that the lab was to end with is dead.
	abandoned
)

func (f folder) condition() condition {
	if _, err := os.Stat(f.path); err != nil {
		return gone
	}
	// Looking must neither make the file nor keep another from looking at the same time.
	lock := flock.New(f.ownerFile(), flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryRLock()
	_ = lock.Close()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return kept
	case err == nil && free:
		return abandoned
	default:
		return owned
	}
}

// record is what a lab's folder says about it.
type record struct {
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

func (f folder) write(r record) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", f.record(), err)
	}
	return os.WriteFile(f.record(), append(text, '\n'), 0o600)
}

func (f folder) read() (record, error) {
	var r record
	err := f.ours()
	var text []byte
	if err == nil {
		text, err = os.ReadFile(f.record())
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err == nil && len(r.Plan.Nodes) == 0 {
		err = errors.New("it has no nodes")
	}
	if err != nil {
		return record{}, fmt.Errorf("%w: %s: %w: nothing but its credentials is lost: `nomadlab down %s` removes the lab",
			ErrDamaged, f.record(), err, f.lab())
	}
	return r, nil
}
