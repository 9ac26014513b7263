//go:build !linux

package probe

import (
	"context"
	"errors"
	"net/netip"
)

// listenTo is there on Linux alone: packet sockets are its own.
func listenTo(context.Context, netip.Prefix, uint16, *Tape) (stop func() error, err error) {
	return nil, errors.New("listening on the network is possible on Linux alone")
}
