package probe

import (
	"sync"
	"sync/atomic"
)

// talk is one connection through a Bit flip: whose turn it is, and what of it has gone through.
type talk struct {
	bitFlip BitFlip
	// flipped is set once the bit was.
	flipped *atomic.Bool

	mu    sync.Mutex
	begun bool
	now   Direction
	turns [2]int
	gone  int64
}

// pass counts the bytes, and flips the bit if it is among them.
func (t *talk) pass(b []byte, d Direction) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.begun || t.now != d {
		t.begun, t.now, t.gone = true, d, 0
		t.turns[d]++
	}
	m := t.bitFlip
	if at := m.flipAfter() - t.gone; m.Direction == d && m.Turn == t.turns[d] && 0 <= at && at < int64(len(b)) {
		b[at] ^= 1
		t.flipped.Store(true)
	}
	t.gone += int64(len(b))
}

func (t *talk) ended() {}
