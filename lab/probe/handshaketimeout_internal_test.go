package probe

import (
	"net"
	"runtime"
	"testing"
	"time"
)

// TestALateEndIsNoLackOfATimeout: after the wait, an open connection is read for longer on a busy machine, and an end that comes
// then is known to be late.
func TestALateEndIsNoLackOfATimeout(t *testing.T) {
	const wait = 50 * time.Millisecond
	for name, test := range map[string]struct {
		ends time.Duration // zero: never
		more time.Duration
		late bool
		open bool
	}{
		"in time":                    {ends: time.Nanosecond},
		"never, quiet machine":       {late: true, open: true},
		"never, busy machine":        {more: 2 * wait, late: true, open: true},
		"late, busy machine":         {ends: 3 * wait, more: time.Minute, late: true},
		"too late, or not that busy": {ends: time.Minute, more: wait, late: true, open: true},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
			if test.ends > 0 {
				defer time.AfterFunc(test.ends, func() { _ = theirs.Close() }).Stop()
			}
			if test.ends == time.Nanosecond {
				_ = theirs.Close()
			}
			s := &session{Conn: ours, release: func() {}}
			late, err := s.awaitEndOrLonger(t.Context(), wait, func() time.Duration { return test.more })
			if late != test.late || (err == nil) != test.open {
				t.Errorf("late: %t, %v", late, err)
			}
		})
	}
}

// TestStaysOpenReadsAtLeastOnce: however late staysOpen is called, it notices a connection that has ended.
func TestStaysOpenReadsAtLeastOnce(t *testing.T) {
	for name, end := range map[string]func(net.Conn){"closed": func(c net.Conn) { c.Close() }, "open": func(net.Conn) {}} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s, err := dial(t.Context(), "", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		end(theirs)
		for name == "closed" && !hasInput(s.Conn) {
			runtime.Gosched() // the end is on its way
		}
		if err := s.staysOpen(t.Context(), -time.Second); (err != nil) != (name == "closed") {
			t.Errorf("%s, looked at when the wait was over: %v", name, err)
		}
		_, _, _ = s.Close(), theirs.Close(), listener.Close()
	}
}
