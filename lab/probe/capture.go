package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// ErrMayNotListen says that this program may not see what goes over the network.
var ErrMayNotListen = errors.New("listening on the network needs root or CAP_NET_RAW: run this as root, " +
	"or give the program that capability with setcap cap_net_raw+ep")

// Capture begins to listen to what goes over this machine's interfaces, loopback and the bridges of containers included,
// from and to the target's Address, or Published, and that port, or any port if it is zero. The capture fills until its Stop, or until ctx is done.
//
// On loopback an agent that dials a peer has 127.0.0.1 as its own address, as all programs have. Such packets show only by
// their other end; so there the capture takes the whole /24 around the Address, which is the network of a lab without
// containers. Of 127.0.0.0/24, which is everybody's, it takes the Address alone.
//
// The error wraps ErrMayNotListen where the right to listen lacks.
func Capture(ctx context.Context, t Target, port uint16) (*PacketCapture, error) {
	whose, err := scopeOf(t)
	if err != nil {
		return nil, err
	}
	capture := newPacketCapture(whose)
	if capture.stop, err = listenTo(ctx, whose, port, capture); err != nil {
		return nil, err
	}
	return capture, nil
}

// MayListen is nil where this program may listen on the network, and else says what lacks.
func MayListen(ctx context.Context) error {
	capture, err := Capture(ctx, Target{Address: "127.0.0.1"}, 0)
	if err != nil {
		return err
	}
	return capture.Stop()
}

// scope is whose packets are taken: those that have an end in one of the networks.
type scope []netip.Prefix

// contains reports whether the address is in one of them.
func (s scope) contains(a netip.Addr) bool {
	return slices.ContainsFunc(s, func(p netip.Prefix) bool { return p.Contains(a) })
}

// scopeOf is that of an agent at all of its addresses.
func scopeOf(t Target) (scope, error) {
	own, err := networkOf(t.Address)
	if err != nil || t.Published == "" {
		return scope{own}, err
	}
	published, err := networkOf(t.Published)
	return scope{own, published}, err
}

// networkOf is the network of an address whose packets are taken.
func networkOf(address string) (netip.Prefix, error) {
	if address == "" {
		return netip.Prefix{}, errors.New("the target's address on its network is not known")
	}
	addr, err := netip.ParseAddr(address)
	if err != nil || !addr.Is4() {
		return netip.Prefix{}, fmt.Errorf("the target's address %q is no IPv4 address", address)
	}
	bits := addr.BitLen()
	everybodys := netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 24)
	if addr.IsLoopback() && !everybodys.Contains(addr) {
		bits = 24
	}
	return netip.PrefixFrom(addr, bits).Masked(), nil
}

// portOn is the port of the target's plane on its own network: the one in Ports. Where that has none, and the plane is reached by
// a published port, it is taken to be Nomad's default.
func portOn(t Target, p Plane) uint16 {
	if own, known := t.Ports[p]; known {
		return own
	}
	if at, err := netip.ParseAddrPort(t.At(p)); err == nil && at.Addr().String() == t.Address {
		return at.Port()
	}
	switch p {
	case PlaneHTTP:
		return 4646
	case PlaneGossip:
		return 4648
	default:
		return 4647
	}
}
