package lab

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
)

// plannedFile is a PlannedFile without its own form in JSON.
type plannedFile PlannedFile

// plannedFileJSON is a file as a plan in JSON has it: the mode in octal, as chmod takes it, and whether it is a folder.
type plannedFileJSON struct {
	plannedFile
	Mode   any  `json:"mode"`
	Folder bool `json:"folder,omitempty"`
}

// MarshalJSON writes the mode as "0600".
func (f PlannedFile) MarshalJSON() ([]byte, error) {
	return json.Marshal(plannedFileJSON{plannedFile: plannedFile(f), Mode: fmt.Sprintf("%04o", f.Mode.Perm()), Folder: f.Mode.IsDir()})
}

// UnmarshalJSON reads what MarshalJSON writes, and the number that older records have instead.
func (f *PlannedFile) UnmarshalJSON(text []byte) error {
	var read plannedFileJSON
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*f = PlannedFile(read.plannedFile)
	switch mode := read.Mode.(type) {
	case string:
		bits, err := strconv.ParseUint(mode, 8, 32)
		if err != nil {
			return fmt.Errorf("the mode of %s is %q: %w", f.Path, mode, err)
		}
		f.Mode = fs.FileMode(bits)
		if read.Folder {
			f.Mode |= fs.ModeDir
		}
	case float64:
		f.Mode = fs.FileMode(mode)
	}
	return nil
}
