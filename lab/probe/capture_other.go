//go:build !linux

package probe

import (
	"context"
	"errors"
)

// listenTo is there on Linux alone: packet sockets are its own.
func listenTo(context.Context, scope, uint16, *PacketCapture) (stop func() error, err error) {
	return nil, errors.New("listening on the network is possible on Linux alone")
}
