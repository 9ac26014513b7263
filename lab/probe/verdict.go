package probe

import (
	"crypto/tls"
	"sync"
)

// result is a session cache that keeps nothing and offers nothing: it turns the
// arrival of a TLS 1.3 session ticket into an event. Without a cache, a client
// tells the server that it has no use for tickets, and gets none.
type verdict struct {
	once     sync.Once
	accepted chan struct{}
}

// Get offers no session, so that each probe does a full handshake.
func (v *verdict) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

// Put is called when a ticket has come; crypto/tls puts nil to remove a session.
func (v *verdict) Put(_ string, state *tls.ClientSessionState) {
	if state != nil {
		v.once.Do(func() { close(v.accepted) })
	}
}

// given says whether a ticket has come.
func (v *verdict) given() bool {
	select {
	case <-v.accepted:
		return true
	default:
		return false
	}
}

// against is the error of a first read that is a refusal of the handshake: one
// before which no ticket has come. A ticket that came in the same read as the
// connection's end has still come first; the end is then for the request to see.
func (v *verdict) against(r firstRead) error {
	if v.given() {
		return nil
	}
	return r.err
}
