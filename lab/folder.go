package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/adrg/xdg"
)

const (
	// ErrTaken is returned when a lab of that name exists already, or is being started. It is an ErrInvalid.
	ErrTaken = inputError("the name is taken")
	// ErrDamaged is returned when a lab's folder cannot be read as it was written. The lab itself may well run. It is an
	// ErrInvalid.
	ErrDamaged = inputError("the lab's folder is damaged")
)

// folder is where a lab keeps its keys, certificates and logs. Losing it costs the credentials, never the power to
// list and remove the lab: what runs is what the engine says. Its name has the lab's run in it, so that the watchdog of
// a start that was killed cannot remove the folder of the next one.
type folder struct{ path string }

// stateFolder is where all of this program's state is: $XDG_STATE_HOME/nomadlab, ~/.local/state/nomadlab where that is
// not set.
func stateFolder() string {
	if home := os.Getenv("XDG_STATE_HOME"); home != "" {
		return filepath.Join(home, "nomadlab")
	}
	return filepath.Join(xdg.StateHome, "nomadlab")
}

func labsFolder() string { return filepath.Join(stateFolder(), "labs") }

// folderOf is the folder of one run of a lab. A dot is in no lab's name.
func folderOf(name, run string) folder { return folder{filepath.Join(labsFolder(), name+"."+run)} }

// foldersOf are the folders of all runs of a lab: one, or what crashes have left.
func foldersOf(name string) ([]folder, error) {
	paths, err := filepath.Glob(filepath.Join(labsFolder(), name+".*"))
	if err != nil {
		return nil, fmt.Errorf("find the folders of lab %s: %w", name, err)
	}
	var out []folder
	for _, p := range paths {
		if p != reservationFile(name) {
			out = append(out, folder{p})
		}
	}
	return out, nil
}

func (f folder) tls() string              { return filepath.Join(f.path, "tls") }
func (f folder) record() string           { return filepath.Join(f.path, "lab.json") }
func (f folder) log(node string) string   { return filepath.Join(f.path, "logs", node+".log") }
func (f folder) starting() string         { return filepath.Join(f.path, "starting") }
func (f folder) remove() error            { return os.RemoveAll(f.path) }
func (f folder) evidence(t string) string { return filepath.Join(stateFolder(), "evidence", t) }

// make makes the folder of a lab that is being started.
func (f folder) make() error {
	if err := os.MkdirAll(filepath.Join(f.path, "logs"), 0o700); err != nil {
		return fmt.Errorf("make the lab's folder: %w", err)
	}
	if err := os.WriteFile(f.starting(), nil, 0o600); err != nil {
		return fmt.Errorf("make the lab's folder: %w", err)
	}
	return nil
}

// started notes that the lab is up.
func (f folder) started() error { return os.Remove(f.starting()) }

// begun is true for the folder of a lab that never came up.
func (f folder) begun() bool {
	_, err := os.Stat(f.starting())
	return err == nil
}

// unfinished is true where nothing says that the lab came up: then the folder is gone, or still that of a start.
func (f folder) unfinished() bool {
	_, err := os.Stat(f.path)
	return err != nil || f.begun()
}

// record is what a lab's folder says about it.
type record struct {
	// Run tells this lab from others of its name, past and future.
	Run     string    `json:"run"`
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
			ErrDamaged, f.record(), err, strings.TrimSuffix(filepath.Base(f.path), filepath.Ext(f.path)))
	}
	return r, nil
}
