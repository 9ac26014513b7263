package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// maxAnswer bounds what is read of an answer, in bytes: a body and its head.
const maxAnswer = maxBody + 1<<16

// exchange is one request, and how to read its answer.
type exchange struct {
	// sent says in words what goes over the wire.
	sent string
	// request is written at once, so that an agent that closes after its first
	// byte cannot turn the rest into a broken pipe.
	request []byte
	// answer reads the agent's answer. It returns an outcome and what was
	// received in words, or an error when the answer did not come or made no sense.
	answer func(io.Reader) (Outcome, string, error)
}

// door is where and how to connect.
type endpoint struct {
	addr string
	// from is the address to connect from; empty for any.
	from string
	// prelude is written before the TLS handshake; empty for none.
	prelude []byte
	// config is nil for plaintext. The door's user owns it.
	config *tls.Config
}

// converse opens the door, sends the request and reads the answer.
func converse(ctx context.Context, d endpoint, e exchange) Observation {
	return visit(ctx, d, e.sent, func(s *session) (Outcome, string, error) { return ask(s, e) })
}

// visit opens the door and, once inside, does what inside does. An outcome that inside returns beside an error is dropped
// for what the error says.
func visit(ctx context.Context, d endpoint, sent string, inside func(*session) (Outcome, string, error)) Observation {
	s, o := open(ctx, d)
	o.Sent = sent
	if s == nil {
		return o
	}
	defer s.hangUp()

	var err error
	if o.Outcome, o.Received, err = inside(s); err != nil {
		o.end(err, s)
	}
	return o
}

// open connects and enters. Without a session, the observation says why; with one, it has what the handshake told, and the
// caller hangs up.
func open(ctx context.Context, d endpoint) (*session, Observation) {
	if d.addr == "" {
		return nil, notReached("the target has no address for this plane")
	}
	s, err := dial(ctx, d.from, d.addr)
	if err != nil {
		o := Observation{Outcome: NotReached, Received: "no connection", Err: clean(err.Error())}
		if errors.Is(err, syscall.ECONNRESET) {
			// Not a closed port, which gives ECONNREFUSED: here a connection was
			// there, and was reset before the dialler could look at it.
			o.Outcome, o.Received = RefusedInHandshake, "connection reset"
		}
		return nil, o
	}
	err = enter(ctx, s, d)
	o := Observation{
		TLSVersion: s.facts.version, CipherSuite: s.facts.suite, Protocol: s.facts.protocol,
		ServerCertificate: s.facts.certificate, Served: s.facts.served, AcceptableCAs: s.facts.acceptable,
	}
	if err != nil {
		o.end(err, s)
		s.hangUp()
		return nil, o
	}
	return s, o
}

// end makes the outcome of a connection that ended with err.
func (o *Observation) end(err error, s *session) {
	o.Outcome, o.Received, o.Err = classify(err, s), received(err), clean(err.Error())
	if isEnd(err) && !s.since.IsZero() {
		o.hungUpAfter = time.Since(s.since)
	}
}

// enter sends the prelude and does the handshake, if the door has them.
func enter(ctx context.Context, s *session, d endpoint) error {
	if len(d.prelude) > 0 {
		if _, err := s.Write(d.prelude); err != nil {
			return err
		}
	}
	if d.config == nil {
		return nil
	}
	return s.secure(ctx, d.config)
}

// ask sends the request and reads the answer.
func ask(s *session, e exchange) (Outcome, string, error) {
	if _, err := s.Write(e.request); err != nil {
		// The write fails when the agent has closed already. If an alert is still
		// there to be read, it tells more, and it decides the class.
		var b [1]byte
		if _, readErr := s.Read(b[:]); isAlert(readErr) {
			return "", "", readErr
		}
		return "", "", err
	}
	w := &watched{r: s}
	outcome, words, err := e.answer(io.LimitReader(w, maxAnswer))
	switch {
	case err == nil:
		return outcome, words, nil
	case w.err != nil && (w.n == 0 || !isEnd(w.err)):
		return "", "", w.err
	default:
		return "", "", fmt.Errorf("%w: %w", errBadForm, err)
	}
}

// watched remembers how reading went: decoders hide a connection's error in
// errors of their own that cannot be unwrapped (go-msgpack's codecError).
type watched struct {
	r   io.Reader
	n   int
	err error
}

// Read reads on.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.n += n
	if err != nil {
		w.err = err
	}
	return n, err
}
