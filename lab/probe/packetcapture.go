package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// maxCaptured bounds what one PacketCapture keeps, in bytes.
const maxCaptured = 64 << 20

// PacketCapture has the packets that were captured on the network. It keeps their payloads in memory, with the keys and tokens
// that were sent in plaintext, and returns none of them: it only answers whether it contains a text.
type PacketCapture struct {
	// scope is which packets it keeps. The kernel's filter exists for speed only: between the opening of a packet socket and
	// its filter, other packets arrive too, such as those of another cluster whose members have the same names.
	scope scope

	mu      sync.Mutex
	streams map[flow]*flowData
	kept    int
	missed  int

	stop func() error
}

// CaptureSize is how much was captured on a port. The zero CaptureSize is nothing.
type CaptureSize struct {
	// Packets had a payload of Bytes in all. A packet that was seen twice, on two interfaces, counts once.
	Packets, Bytes int
}

// ErrMayNotCapture says that this program lacks the right to capture packets.
var ErrMayNotCapture = errors.New("listening on the network needs root or CAP_NET_RAW: run this as root, " +
	"or give the program that capability with setcap cap_net_raw+ep")

// StartCapture starts to capture the packets on this machine's interfaces, loopback and the bridges of containers included,
// from and to the target's Address, or Published, and that port, or any port if it is zero. The capture goes on until Stop is
// called or ctx is done.
//
// On loopback an agent that dials a peer has 127.0.0.1 as its own address, as all programs have. Only the other end of such
// packets shows whose they are. So the capture takes the whole /24 around an Address on loopback, which is the network of a lab
// without containers. In 127.0.0.0/24, which all programs share, it takes only the Address.
//
// The error wraps ErrMayNotCapture if this program lacks the right to capture.
func StartCapture(ctx context.Context, t Target, port uint16) (*PacketCapture, error) {
	scope, err := scopeOf(t)
	if err != nil {
		return nil, err
	}
	capture := newPacketCapture(scope)
	if capture.stop, err = capturePackets(ctx, scope, port, capture); err != nil {
		return nil, err
	}
	return capture, nil
}

// MayCapture returns nil if this program may capture packets, or an error that says what it lacks.
func MayCapture(ctx context.Context) error {
	capture, err := StartCapture(ctx, Target{Address: "127.0.0.1"}, 0)
	if err != nil {
		return err
	}
	return capture.Stop()
}

// scope is the networks whose packets are captured: one end of a packet is in one of them.
type scope []netip.Prefix

// contains reports whether the address is in one of the networks.
func (s scope) contains(a netip.Addr) bool {
	return slices.ContainsFunc(s, func(p netip.Prefix) bool { return p.Contains(a) })
}

// scopeOf returns the scope of an agent with all of its addresses.
func scopeOf(t Target) (scope, error) {
	own, err := networkOf(t.Address)
	if err != nil || t.Published == "" {
		return scope{own}, err
	}
	published, err := networkOf(t.Published)
	return scope{own, published}, err
}

// networkOf returns the network of an address whose packets are captured.
func networkOf(address string) (netip.Prefix, error) {
	if address == "" {
		return netip.Prefix{}, errors.New("the target's address on its network is not known")
	}
	addr, err := netip.ParseAddr(address)
	if err != nil || !addr.Is4() {
		return netip.Prefix{}, fmt.Errorf("the target's address %q is no IPv4 address", address)
	}
	bits := addr.BitLen()
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 24)
	if addr.IsLoopback() && !shared.Contains(addr) {
		bits = 24
	}
	return netip.PrefixFrom(addr, bits).Masked(), nil
}

// portOn returns the port of the target's plane on its own network: the one in Ports, else that of its address, else, if the
// plane is reached by a published port, Nomad's default.
func portOn(t Target, p Plane) uint16 {
	if own, ok := t.Ports[p]; ok {
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

// flow is one direction of a connection, or of an exchange of datagrams.
type flow struct {
	from, to netip.AddrPort
	udp      bool
}

// has reports whether one of its ends has the port.
func (f flow) has(port uint16) bool { return f.from.Port() == port || f.to.Port() == port }

// flowData is the payloads of a flow: TCP segments by their sequence number, or datagrams in the order in which they came.
type flowData struct {
	first     uint32
	segments  map[uint32][]byte
	datagrams [][]byte
}

func newPacketCapture(s scope) *PacketCapture {
	return &PacketCapture{scope: s, streams: map[flow]*flowData{}}
}

// Stop ends the capture after it has read all packets that were sent before. The capture keeps them. A second Stop does
// nothing.
func (c *PacketCapture) Stop() error {
	c.mu.Lock()
	stop := c.stop
	c.stop = nil
	c.mu.Unlock()
	if stop == nil {
		return nil
	}
	return stop()
}

// Size returns how much was captured to and from that port.
func (c *PacketCapture) Size(port uint16) CaptureSize {
	return c.size(func(f flow) bool { return f.has(port) })
}

// Datagrams returns how much was captured over UDP to and from that address and port.
func (c *PacketCapture) Datagrams(end netip.AddrPort) CaptureSize {
	return c.size(func(f flow) bool { return f.udp && (f.from == end || f.to == end) })
}

func (c *PacketCapture) size(wanted func(flow) bool) CaptureSize {
	c.mu.Lock()
	defer c.mu.Unlock()
	var size CaptureSize
	for f, s := range c.streams {
		if !wanted(f) {
			continue
		}
		for _, payload := range s.segments {
			size.Packets, size.Bytes = size.Packets+1, size.Bytes+len(payload)
		}
		for _, payload := range s.datagrams {
			size.Packets, size.Bytes = size.Packets+1, size.Bytes+len(payload)
		}
	}
	return size
}

// Contains reports whether the text was sent over that port in plaintext, in one direction of one connection or in one
// datagram. Compressed gossip counts as plaintext.
func (c *PacketCapture) Contains(port uint16, text []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f, s := range c.streams {
		if f.has(port) && slices.ContainsFunc(s.pieces(), func(piece []byte) bool { return containsText(piece, text) }) {
			return true
		}
	}
	return false
}

// Missed returns how many packets were not captured, plus the number of gaps in what was sent over that port: a text that a
// capture with gaps does not contain may have been sent all the same.
func (c *PacketCapture) Missed(port uint16) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	missed := c.missed
	for f, s := range c.streams {
		if f.has(port) && len(s.segments) > 0 {
			missed += len(s.pieces()) - 1
		}
	}
	return missed
}

// miss counts packets that were not captured.
func (c *PacketCapture) miss(packets int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.missed += packets
}

// add keeps the payload of an IPv4 packet of TCP or UDP, if it has one and is in scope.
func (c *PacketCapture) add(data []byte) {
	packet := gopacket.NewPacket(data, layers.LayerTypeIPv4, gopacket.DecodeOptions{NoCopy: true})
	ip, isIP := packet.NetworkLayer().(*layers.IPv4)
	if !isIP {
		return
	}
	from, _ := netip.AddrFromSlice(ip.SrcIP.To4())
	to, _ := netip.AddrFromSlice(ip.DstIP.To4())
	if !c.scope.contains(from) && !c.scope.contains(to) {
		return
	}
	switch l := packet.TransportLayer().(type) {
	case *layers.TCP:
		c.keep(flow{from: netip.AddrPortFrom(from, uint16(l.SrcPort)), to: netip.AddrPortFrom(to, uint16(l.DstPort))}, l.Seq, l.Payload)
	case *layers.UDP:
		c.keep(flow{from: netip.AddrPortFrom(from, uint16(l.SrcPort)), to: netip.AddrPortFrom(to, uint16(l.DstPort)), udp: true}, 0, l.Payload)
	}
}

// keep adds a payload to its flow. Each packet may come more than once: loopback shows it as sent and as received, and a
// container's packets go over several interfaces.
func (c *PacketCapture) keep(f flow, seq uint32, payload []byte) {
	if len(payload) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[f]
	if s == nil {
		s = &flowData{first: seq, segments: map[uint32][]byte{}}
		c.streams[f] = s
	}
	known := f.udp && slices.ContainsFunc(s.datagrams, func(d []byte) bool { return bytes.Equal(d, payload) })
	if known || !f.udp && len(s.segments[seq]) >= len(payload) {
		return
	}
	if c.kept+len(payload) > maxCaptured {
		c.missed++
		return
	}
	c.kept += len(payload)
	if f.udp {
		s.datagrams = append(s.datagrams, bytes.Clone(payload))
		return
	}
	s.segments[seq] = bytes.Clone(payload)
}

// pieces returns the datagrams, or the stream in order: one piece, and one more for each gap in it.
func (s *flowData) pieces() [][]byte {
	if len(s.segments) == 0 {
		return s.datagrams
	}
	order := make([]uint32, 0, len(s.segments))
	for seq := range s.segments {
		order = append(order, seq)
	}
	// Sequence numbers wrap around: what counts is the distance from the first.
	offset := func(seq uint32) int { return int(int32(seq - s.first)) }
	slices.SortFunc(order, func(a, b uint32) int { return offset(a) - offset(b) })
	var pieces [][]byte
	end := offset(order[0]) - 1
	for _, seq := range order {
		at, payload := offset(seq), s.segments[seq]
		if at > end || len(pieces) == 0 {
			pieces = append(pieces, bytes.Clone(payload))
			end = at + len(payload)
			continue
		}
		if overlap := end - at; overlap < len(payload) {
			last := len(pieces) - 1
			pieces[last] = append(pieces[last], payload[overlap:]...)
			end = at + len(payload)
		}
	}
	return pieces
}
