package probe

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// maxTape bounds what one Capture keeps, in bytes.
const maxCaptured = 64 << 20

// Capture is what a listener on the network has overheard. It keeps payloads in memory, keys and tokens included where they
// went in clear, and gives none of them out: it can only be asked whether it holds a text.
type PacketCapture struct {
	// scope is whose packets it takes. The kernel's filter is for speed: between the opening of a packet socket and its
	// filter, packets of others come in too, such as those of another cluster whose members have the same names.
	scope scope

	mu      sync.Mutex
	streams map[flow]*carried
	kept    int
	missed  int

	stop func() error
}

// Heard is how much was overheard on a port. The zero Heard is nothing.
type Captured struct {
	// Packets had a payload of Bytes in all. What was seen twice, on two interfaces, counts once.
	Packets, Bytes int
}

// flow is one direction of a connection, or of an exchange of datagrams.
type flow struct {
	from, to netip.AddrPort
	udp      bool
}

// has says whether one of its ends has the port.
func (f flow) has(port uint16) bool { return f.from.Port() == port || f.to.Port() == port }

// carried is what a flow carried: TCP segments by their sequence number, or datagrams in the order in which they came.
type carried struct {
	first     uint32
	segments  map[uint32][]byte
	datagrams [][]byte
}

func newPacketCapture(whose scope) *PacketCapture {
	return &PacketCapture{scope: whose, streams: map[flow]*carried{}}
}

// Stop ends the capture, after everything is read that was sent before. The capture stays. A second Stop does nothing.
func (t *PacketCapture) Stop() error {
	t.mu.Lock()
	stop := t.stop
	t.stop = nil
	t.mu.Unlock()
	if stop == nil {
		return nil
	}
	return stop()
}

// Heard is how much was overheard to and from that port.
func (t *PacketCapture) Captured(port uint16) Captured {
	return t.captured(func(f flow) bool { return f.has(port) })
}

// Datagrams is how much was overheard over UDP to and from that end.
func (t *PacketCapture) Datagrams(end netip.AddrPort) Captured {
	return t.captured(func(f flow) bool { return f.udp && (f.from == end || f.to == end) })
}

func (t *PacketCapture) captured(wanted func(flow) bool) Captured {
	t.mu.Lock()
	defer t.mu.Unlock()
	var h Captured
	for f, s := range t.streams {
		if !wanted(f) {
			continue
		}
		for _, payload := range s.segments {
			h.Packets, h.Bytes = h.Packets+1, h.Bytes+len(payload)
		}
		for _, payload := range s.datagrams {
			h.Packets, h.Bytes = h.Packets+1, h.Bytes+len(payload)
		}
	}
	return h
}

// Holds says whether the text went over that port in clear, in one direction of one connection or in one datagram. What
// was compressed as gossip is, which hides nothing from anybody, counts as clear.
func (t *PacketCapture) Holds(port uint16, text []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for f, s := range t.streams {
		if f.has(port) && slices.ContainsFunc(s.pieces(), func(piece []byte) bool { return holds(piece, text) }) {
			return true
		}
	}
	return false
}

// Missed is how many packets were not overheard, and how many gaps there are in what went over that port: what is not on a
// capture with gaps may have gone over the network all the same.
func (t *PacketCapture) Missed(port uint16) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	missed := t.missed
	for f, s := range t.streams {
		if f.has(port) && len(s.segments) > 0 {
			missed += len(s.pieces()) - 1
		}
	}
	return missed
}

// miss notes that packets were not overheard.
func (t *PacketCapture) miss(packets int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.missed += packets
}

// add keeps an IPv4 packet. What has no payload, or is neither TCP nor UDP, is nothing to be overheard.
func (t *PacketCapture) add(data []byte) {
	packet := gopacket.NewPacket(data, layers.LayerTypeIPv4, gopacket.DecodeOptions{NoCopy: true})
	ip, isIP := packet.NetworkLayer().(*layers.IPv4)
	if !isIP {
		return
	}
	from, _ := netip.AddrFromSlice(ip.SrcIP.To4())
	to, _ := netip.AddrFromSlice(ip.DstIP.To4())
	if !t.scope.contains(from) && !t.scope.contains(to) {
		return
	}
	switch l := packet.TransportLayer().(type) {
	case *layers.TCP:
		t.keep(flow{from: netip.AddrPortFrom(from, uint16(l.SrcPort)), to: netip.AddrPortFrom(to, uint16(l.DstPort))}, l.Seq, l.Payload)
	case *layers.UDP:
		t.keep(flow{from: netip.AddrPortFrom(from, uint16(l.SrcPort)), to: netip.AddrPortFrom(to, uint16(l.DstPort)), udp: true}, 0, l.Payload)
	}
}

// keep adds a payload to its flow. Each packet may come more than once: loopback shows both its sending and its arrival,
// and a container's goes over several interfaces.
func (t *PacketCapture) keep(f flow, seq uint32, payload []byte) {
	if len(payload) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.streams[f]
	if s == nil {
		s = &carried{first: seq, segments: map[uint32][]byte{}}
		t.streams[f] = s
	}
	known := f.udp && slices.ContainsFunc(s.datagrams, func(d []byte) bool { return bytes.Equal(d, payload) })
	if known || !f.udp && len(s.segments[seq]) >= len(payload) {
		return
	}
	if t.kept+len(payload) > maxCaptured {
		t.missed++
		return
	}
	t.kept += len(payload)
	if f.udp {
		s.datagrams = append(s.datagrams, bytes.Clone(payload))
		return
	}
	s.segments[seq] = bytes.Clone(payload)
}

// pieces are the datagrams, or the stream in order: one piece, and one more for each gap in it.
func (s *carried) pieces() [][]byte {
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
