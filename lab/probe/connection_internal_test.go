package probe

import (
	"crypto/tls"
	"errors"
	"io"
	"testing"
)

// From outside it is a race whether a ticket and the end right after it are read together or one by one, so the rule is tested
// here.
func TestTicketBeforeTheEndIsAnAcceptance(t *testing.T) {
	tests := []struct {
		name    string
		put     []*tls.ClientSessionState
		read    firstRead
		refused bool
	}{
		{"end without a ticket", nil, firstRead{err: io.EOF}, true},
		{"end after a session was removed", []*tls.ClientSessionState{nil}, firstRead{err: io.EOF}, true},
		{"end after a ticket", []*tls.ClientSessionState{{}}, firstRead{err: io.EOF}, false},
		{"end after two tickets", []*tls.ClientSessionState{{}, {}}, firstRead{err: io.EOF}, false},
		{"data without a ticket", nil, firstRead{b: 1, n: 1}, false},
	}
	for _, test := range tests {
		v := &handshakeResult{accepted: make(chan struct{})}
		for _, state := range test.put {
			v.Put("agent", state)
		}
		err := v.refusal(test.read)
		if refused := errors.Is(err, io.EOF); refused != test.refused {
			t.Errorf("%s: error %v, refused should be %t", test.name, err, test.refused)
		}
	}
}
