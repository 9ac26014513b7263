package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/adrg/xdg"
	"github.com/gofrs/flock"
)

var (
	// ErrTaken is returned when a lab of that name exists already, or is being started.
	ErrTaken = fmt.Errorf("%w: name is taken", ErrInvalid)
	// ErrDamaged is returned when a lab's folder cannot be read as it was written. The lab itself may well run.
	ErrDamaged = fmt.Errorf("%w: the lab's folder is damaged", ErrInvalid)
)

// folder is where a lab keeps its keys, certificates and logs. Losing it costs the credentials, never the power to
// list and remove the lab: what runs is what the engine says.
type folder struct {
	path string
	lock *flock.Flock
}

// stateFolder is where labs' folders are: $XDG_STATE_HOME/nomadlab, ~/.local/state/nomadlab where that is not set.
func stateFolder() string {
	if home := os.Getenv("XDG_STATE_HOME"); home != "" {
		return filepath.Join(home, "nomadlab")
	}
	return filepath.Join(xdg.StateHome, "nomadlab")
}

func folderOf(name string) folder { return folder{path: filepath.Join(stateFolder(), "labs", name)} }

func (f folder) tls() string              { return filepath.Join(f.path, "tls") }
func (f folder) record() string           { return filepath.Join(f.path, "lab.json") }
func (f folder) log(node string) string   { return filepath.Join(f.path, "logs", node+".log") }
func (f folder) remove() error            { return os.RemoveAll(f.path) }
func (f folder) evidence(t string) string { return filepath.Join(stateFolder(), "evidence", t) }

// reserve makes the folder and holds its lock, so that of two starts under one name only one goes on. A folder whose
// lock nobody holds is what a dead start left behind, unless the engine knows the lab: the caller has asked.
func reserve(name string) (folder, error) {
	f := folderOf(name)
	if err := os.MkdirAll(filepath.Join(f.path, "logs"), 0o700); err != nil {
		return f, fmt.Errorf("make the folder of lab %s: %w", name, err)
	}
	f.lock = flock.New(filepath.Join(f.path, "starting.lock"), flock.SetPermissions(0o600))
	held, err := f.lock.TryLock()
	if err != nil {
		return f, fmt.Errorf("lock the folder of lab %s: %w", name, err)
	}
	if !held {
		return f, fmt.Errorf("%w: lab %s is being started by another process: wait for it, or choose another --name", ErrTaken, name)
	}
	return f, nil
}

func (f folder) release() {
	if f.lock != nil {
		_ = f.lock.Close()
		_ = os.Remove(f.lock.Path())
	}
}

// record is what a lab's folder says about it.
type record struct {
	Plan    Plan      `json:"plan"`
	Spec    Spec      `json:"spec"`
	Engine  string    `json:"engine"`
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
	text, err := os.ReadFile(f.record())
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err == nil && len(r.Plan.Nodes) == 0 {
		err = errors.New("it has no nodes")
	}
	if err != nil {
		return record{}, fmt.Errorf("%w: %s: %w: nothing but its credentials is lost: `nomadlab down %s` removes the lab",
			ErrDamaged, f.record(), err, filepath.Base(f.path))
	}
	return r, nil
}
