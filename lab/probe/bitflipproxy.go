package probe

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"sync"
)

// Flip says which bit an Bit-flipping proxy flips of each connection. The zero Flip flips none.
type Flip struct {
	// Record is in which of the TLS records to the agent the bit is, counted from one: those of a connection that was there
	// before are counted from the call of Bit-flipping proxy.Flip on. Go's handshake takes the first five (TLS 1.3). Zero: in none.
	Record int
	// Marker is a text whose last letter is changed wherever it goes to the agent in clear. Empty: none is.
	Marker string
}

// Intercepted is what went through an Bit-flipping proxy.
type ProxyCounts struct {
	// Connections are all that there were, Flipped those of which a bit was flipped, and Ended those of these that have
	// ended since, at both ends.
	Connections, Flipped, Ended int
}

// Bit-flipping proxy is somebody between an agent and its peers, which take it for the agent. It carries what they say both ways,
// and changes nothing of it until it is told to. Make one with Intercept, end it with Close.
type BitFlipProxy struct {
	proxy *proxy

	mu   sync.Mutex
	flip Flip
	// order counts the calls of Flip.
	order int
	seen  ProxyCounts
}

// Intercept listens at an address of this machine's loopback, and carries every connection to the other address. It goes on
// when ctx ends. It returns an error for an address that others could reach too, and where it cannot listen.
func StartBitFlipProxy(ctx context.Context, at, to netip.AddrPort) (*BitFlipProxy, error) {
	if !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("listen as somebody in between: %s is not on this machine's loopback", at)
	}
	i := &BitFlipProxy{}
	var err error
	i.proxy, err = startProxy(ctx, at.String(), "", to.String(), i.connected)
	return i, err
}

// Addr is where it listens.
func (i *BitFlipProxy) Addr() string { return i.proxy.addr() }

// Flip has it flip bits from now on, at most one of each connection; the zero Flip has it stop.
func (i *BitFlipProxy) Flip(f Flip) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.flip = f
	i.order++
}

// Seen is what went through until now.
func (i *BitFlipProxy) Seen() ProxyCounts {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.seen
}

// Close ends all connections, and returns when that is done.
func (i *BitFlipProxy) Close() { _ = i.proxy.close() } // that the agent was away at times is nothing to complain about

// connected is the hand of a new connection.
func (i *BitFlipProxy) connected() hand {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen.Connections++
	return &proxiedConnection{by: i}
}

// intercepted is one connection through an Bit-flipping proxy.
type proxiedConnection struct {
	by      *BitFlipProxy
	records records
	// order is the call of Flip since which it counts records, and counted how many there were.
	order, counted int
	flipped        bool
}

// pass looks at what goes to the agent.
func (c *proxiedConnection) pass(b []byte, d Direction) {
	if d != ToAgent {
		return
	}
	c.by.mu.Lock()
	defer c.by.mu.Unlock()
	if c.order != c.by.order {
		c.order, c.counted = c.by.order, 0
	}
	for _, at := range c.records.contents(b) {
		c.counted++
		if c.counted == c.by.flip.Record {
			c.change(b, at)
		}
	}
	if marker := c.by.flip.Marker; marker != "" {
		if at := bytes.Index(b, []byte(marker)); at >= 0 {
			c.change(b, at+len(marker)-1)
		}
	}
}

// change flips the lowest bit of a byte, unless one was flipped before.
func (c *proxiedConnection) change(b []byte, at int) {
	if c.flipped {
		return
	}
	c.flipped = true
	b[at] ^= 1
	c.by.seen.Flipped++
}

func (c *proxiedConnection) ended() {
	c.by.mu.Lock()
	defer c.by.mu.Unlock()
	if c.flipped {
		c.by.seen.Ended++
	}
}
