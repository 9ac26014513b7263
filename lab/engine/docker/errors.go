package docker

import (
	"fmt"
	"strings"

	"github.com/containerd/errdefs"

	"nomadlab.internal/lab/engine"
)

// explain gives a daemon's error the meaning that callers can act upon.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errdefs.IsNotFound(err):
		return fmt.Errorf("%w: %w", engine.ErrNotFound, err)
	case errdefs.IsConflict(err) && strings.Contains(err.Error(), "already in use"):
		return fmt.Errorf("%w: %w", engine.ErrExists, err)
	case strings.Contains(err.Error(), "no space left on device"):
		return fmt.Errorf("%w: %w: free some with `docker system df` and `docker system prune`", engine.ErrNoSpace, err)
	default:
		return err
	}
}
