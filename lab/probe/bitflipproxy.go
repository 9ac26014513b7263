package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
)

// RecordFlip says which bit a BitFlipProxy flips in each connection. The zero RecordFlip flips none.
type RecordFlip struct {
	// Record is in which TLS record to the agent the bit is, counted from one: from the call of BitFlipProxy.SetFlip on for a
	// connection that existed before. Go's handshake takes the first five (TLS 1.3). Zero: in none.
	Record int
	// Marker is a text whose last letter is changed if it is sent to the agent in plaintext. Empty: none.
	Marker string
}

// ProxyCounts counts what went through a BitFlipProxy.
type ProxyCounts struct {
	// Connections counts all, Flipped those in which a bit was flipped, and Ended those of the flipped ones that have ended
	// since, at both ends.
	Connections, Flipped, Ended int
}

// BitFlipProxy is a proxy between an agent and its peers, which take it for the agent. It forwards both directions, and
// changes nothing until SetFlip is called. StartBitFlipProxy makes one; end it with Close.
type BitFlipProxy struct {
	proxy *proxy

	mu   sync.Mutex
	flip RecordFlip
	// order counts the calls of SetFlip.
	order int
	seen  ProxyCounts
}

// StartBitFlipProxy listens at an address of this machine's loopback, and forwards every connection to the other address,
// also after ctx has ended. It returns an error for an address that others could reach too, and if it cannot listen.
func StartBitFlipProxy(ctx context.Context, at, to netip.AddrPort) (*BitFlipProxy, error) {
	if !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("listen as a proxy: %s is not on this machine's loopback", at)
	}
	p := &BitFlipProxy{}
	var err error
	p.proxy, err = startProxy(ctx, at.String(), "", to.String(), p.newFilter)
	return p, err
}

// Addr returns the address at which the proxy listens.
func (p *BitFlipProxy) Addr() string { return p.proxy.addr() }

// SetFlip sets which bit is flipped from now on, at most one in each connection. The zero RecordFlip ends the flipping.
func (p *BitFlipProxy) SetFlip(f RecordFlip) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flip = f
	p.order++
}

// Counts returns what went through so far.
func (p *BitFlipProxy) Counts() ProxyCounts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

// Close ends all connections, and returns when they have ended. That the agent was away at times is no error.
func (p *BitFlipProxy) Close() { _ = p.proxy.close() }

func (p *BitFlipProxy) newFilter() filter {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen.Connections++
	return &recordFlipper{proxy: p}
}

// recordFlipper is the filter of one connection through a BitFlipProxy.
type recordFlipper struct {
	proxy   *BitFlipProxy
	records tlsRecords
	// order is the call of SetFlip since which records are counted, and counted is how many there were.
	order, counted int
	flipped        bool
}

// pass flips the bit if it is among the bytes to the agent.
func (c *recordFlipper) pass(b []byte, d Direction) {
	if d != ToAgent {
		return
	}
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	if c.order != c.proxy.order {
		c.order, c.counted = c.proxy.order, 0
	}
	for _, at := range c.records.contents(b) {
		c.counted++
		if c.counted == c.proxy.flip.Record {
			c.change(b, at)
		}
	}
	if marker := c.proxy.flip.Marker; marker != "" {
		if at := bytes.Index(b, []byte(marker)); at >= 0 {
			c.change(b, at+len(marker)-1)
		}
	}
}

// change flips the lowest bit of a byte, unless one was flipped before.
func (c *recordFlipper) change(b []byte, at int) {
	if c.flipped {
		return
	}
	c.flipped = true
	b[at] ^= 1
	c.proxy.seen.Flipped++
}

func (c *recordFlipper) closed() {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	if c.flipped {
		c.proxy.seen.Ended++
	}
}

// The header of a TLS record is its type (20 to 23), its version (3 and a minor one) and the length of its content, which is
// at most 2^14+2048 bytes in any version (RFC 8446, 5.1; RFC 5246, 6.2.3).
const (
	recordHeader            = 5
	firstRecord, lastRecord = 20, 23
	recordMajor             = 3
	recordLongest           = 1<<14 + 2048
)

// tlsRecords follows the TLS records in one direction of a connection to an RPC port, whose first byte announces TLS. The zero
// value is at the beginning. It finds no records in plaintext.
type tlsRecords struct {
	begun, plaintext bool
	header           []byte
	// left is how much of the current record's content is still to come.
	left int
}

// contents returns the positions in b at which the content of a record begins. The bytes follow those of the call before.
func (r *tlsRecords) contents(b []byte) []int {
	var at []int
	for i := 0; i < len(b) && !r.plaintext; {
		switch {
		case !r.begun:
			r.begun, r.plaintext = true, b[i] != tlsByte
			i++
		case r.left > 0:
			n := min(r.left, len(b)-i)
			r.left -= n
			i += n
		case len(r.header) < recordHeader:
			r.header = append(r.header, b[i])
			i++
		case r.readHeader():
			at = append(at, i)
		}
	}
	return at
}

// readHeader goes on to the content of the record whose header is complete. It returns false if that is no record's header.
func (r *tlsRecords) readHeader() bool {
	kind, major := r.header[0], r.header[1]
	r.left = int(binary.BigEndian.Uint16(r.header[recordHeader-2:]))
	r.plaintext = kind < firstRecord || kind > lastRecord || major != recordMajor || r.left > recordLongest || r.left == 0
	r.header = r.header[:0]
	return !r.plaintext
}
