package state

import (
	"context"

	"github.com/gofrs/flock"
)

// LockUntil locks a file that another process may have locked.
func LockUntil(ctx context.Context, file string) (*flock.Flock, error) { return lockUntil(ctx, file) }
