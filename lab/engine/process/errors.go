package process

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"nomadlab.internal/lab/engine"
)

// explain gives an error of the disk the meaning that callers can act upon.
func (e *Engine) explain(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w: free some space on the disk of %s, or let TMPDIR name a folder on another", engine.ErrNoSpace, err, e.root)
	}
	return err
}

// checkName refuses what cannot be a folder of its own, or would be mistaken for one of the engine's.
func checkName(name string) error {
	if name == "" || strings.HasPrefix(name, ".") || strings.ContainsAny(name, "/\x00") {
		return fmt.Errorf("name %q cannot be a folder's: it must not be empty, begin with a dot or contain a slash", name)
	}
	return nil
}
