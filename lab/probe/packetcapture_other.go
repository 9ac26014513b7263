//go:build !linux

package probe

import (
	"context"
	"errors"
)

// capturePackets returns an error: only Linux has packet sockets.
func capturePackets(context.Context, scope, uint16, *PacketCapture) (stop func() error, err error) {
	return nil, errors.New("listening on the network is possible on Linux alone")
}
