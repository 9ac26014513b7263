package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
)

// maxAnswer bounds how much of an answer is read, in bytes: a body and its head.
const maxAnswer = maxBody + 1<<16

// exchange is one request, and how to read its answer.
type exchange struct {
	// sent describes what is sent.
	sent string
	// request is written at once, so that an agent that closes after its first byte cannot turn the rest into a broken pipe.
	request []byte
	// answer reads the agent's answer. It returns an outcome and a description of what was received, or an error if the
	// answer did not come or is not in the protocol's form.
	answer func(io.Reader) (Outcome, string, error)
}

// endpoint is where and how to connect.
type endpoint struct {
	addr string
	// from is the address to connect from; empty for any.
	from string
	// prelude is written before the TLS handshake; empty for none.
	prelude []byte
	// config is nil for plaintext. It is used for this one connection, and changed by it.
	config *tls.Config
}

// exchangeProbe returns a probe that runs the exchange that the function returns for a target.
func exchangeProbe(plane Plane, sentence string, exchangeAt func(context.Context, Target) (endpoint, exchange, error)) Probe {
	return New(plane, sentence, func(ctx context.Context, t Target) Observation {
		at, e, err := exchangeAt(ctx, t)
		if err != nil {
			return notReached(err.Error())
		}
		return runExchange(ctx, at, e)
	})
}

// runExchange connects, sends the request and reads the answer.
func runExchange(ctx context.Context, at endpoint, e exchange) Observation {
	return withSession(ctx, at, e.sent, func(s *session) (Outcome, string, error) { return sendRequest(s, e) })
}

// withSession connects and calls use with the session. If use returns an error, the error decides the outcome.
func withSession(ctx context.Context, at endpoint, sent string, use func(*session) (Outcome, string, error)) Observation {
	s, o := connect(ctx, at)
	o.Sent = sent
	if s == nil {
		return o
	}
	defer s.hangUp()

	var err error
	if o.Outcome, o.Received, err = use(s); err != nil {
		o.end(err, s)
	}
	return o
}

// connect dials and does the handshake. Without a session, the observation says why. With one, the observation has the facts
// of the handshake, and the caller must call hangUp.
func connect(ctx context.Context, at endpoint) (*session, Observation) {
	if at.addr == "" {
		return nil, notReached("the target has no address for this plane")
	}
	s, err := dial(ctx, at.from, at.addr)
	if err != nil {
		o := Observation{Outcome: NotReached, Received: "no connection", Err: clean(err.Error())}
		if errors.Is(err, syscall.ECONNRESET) {
			// A closed port gives ECONNREFUSED. Here a connection was made, and reset before the dialler could use it.
			o.Outcome, o.Received = RefusedInHandshake, "connection reset"
		}
		return nil, o
	}
	err = handshake(ctx, s, at)
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

// handshake sends the prelude and does the TLS handshake, if the endpoint has them.
func handshake(ctx context.Context, s *session, at endpoint) error {
	if len(at.prelude) > 0 {
		if _, err := s.Write(at.prelude); err != nil {
			return err
		}
	}
	if at.config == nil {
		return nil
	}
	return s.secure(ctx, at.config)
}

// sendRequest sends the request and reads the answer.
func sendRequest(s *session, e exchange) (Outcome, string, error) {
	if _, err := s.Write(e.request); err != nil {
		// The write fails if the agent has closed already. An alert that can still be read says more, and decides the class.
		var b [1]byte
		if _, readErr := s.Read(b[:]); isAlert(readErr) {
			return "", "", readErr
		}
		return "", "", err
	}
	recorder := &readRecorder{r: s}
	outcome, words, err := e.answer(io.LimitReader(recorder, maxAnswer))
	n, readErr := recorder.result()
	switch {
	case err == nil:
		return outcome, words, nil
	case readErr != nil && (n == 0 || !isEnd(readErr)):
		return "", "", readErr
	default:
		return "", "", fmt.Errorf("%w: %w", errBadForm, err)
	}
}

// readRecorder keeps the error that ended reading: decoders hide it in errors of their own that cannot be unwrapped
// (go-msgpack's codecError). It is locked because a yamux session reads in a goroutine of its own.
type readRecorder struct {
	r io.Reader

	mu  sync.Mutex
	n   int
	err error
}

func (w *readRecorder) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n += n
	if err != nil {
		w.err = err
	}
	return n, err
}

// result returns how many bytes were read so far, and the last error.
func (w *readRecorder) result() (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n, w.err
}
