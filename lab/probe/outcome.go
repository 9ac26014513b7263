package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// Plane is one surface of an agent, with guards of its own.
type Plane string

// The planes of a Nomad agent.
const (
	PlaneHTTP   Plane = "HTTP"
	PlaneRPC    Plane = "RPC"
	PlaneRaft   Plane = "Raft"
	PlaneGossip Plane = "gossip"
	// PlaneCluster is what agents are to each other: whether they have formed a cluster. Each says so over HTTP.
	PlaneCluster Plane = "cluster"
	// PlaneFiles is the files that an agent's user keeps, and who else may read them.
	PlaneFiles Plane = "files"
	// PlaneNetwork is the network between agents, as a packet capture sees it.
	PlaneNetwork Plane = "network"
)

// Outcome is the class of what a probe saw. The zero value is no outcome.
type Outcome string

// The outcomes.
const (
	// Accepted: the agent served the request (HTTP below 300, an RPC or Raft answer).
	Accepted Outcome = "accepted"
	// RefusedInHandshake: the agent ended the connection before it had accepted the caller's TLS handshake. For a plaintext
	// caller: it ended the connection without an answer.
	RefusedInHandshake Outcome = "refused in the handshake"
	// RefusedAfterHandshake: the agent accepted the handshake, then ended the connection instead of answering. Nomad's Raft
	// plane refuses so, without a message to the caller or in its log (nomad/rpc.go:324-331).
	RefusedAfterHandshake Outcome = "refused after the handshake"
	// Denied: the agent answered with a refusal: HTTP 4xx except 429, or an RPC error about the caller's rights, such as
	// "Permission denied".
	Denied Outcome = "denied"
	// Found: what the probe searched for is in what the agent showed.
	Found Outcome = "found"
	// Absent: the agent showed what it was asked for, and what the probe searched for is not in it.
	Absent Outcome = "absent"
	// Failed: the agent answered, but the answer says nothing about the caller: HTTP 5xx, a redirection, HTTP 429 (too many
	// requests), an RPC error such as "No cluster leader", or bytes that are not in the protocol's form.
	Failed Outcome = "failed"
	// NotReached: what the agent would have done is unknown. There was no connection, no answer within the time, no usable
	// credential, or the caller ended the connection because it did not trust the agent's certificate.
	NotReached Outcome = "not reached"
)

// Refused reports whether the outcome is a refusal of any kind, Denied included. NotReached and Failed are none.
func (o Outcome) Refused() bool { return o.ended() || o == Denied }

// ended reports whether the agent ended the connection without an answer in the protocol's form.
func (o Outcome) ended() bool { return o == RefusedInHandshake || o == RefusedAfterHandshake }

// Observation is what one run of a probe saw.
type Observation struct {
	// Plane is the plane that was probed.
	Plane Plane
	// Outcome is the same each time for the same cause.
	Outcome Outcome
	// Sent and Received describe in words what was sent and received. Received may differ between runs that have the same
	// Outcome: an alert once, a reset another time.
	Sent, Received string
	// TLSVersion and CipherSuite are what was negotiated, ServerCertificate describes what the agent presented. They are
	// empty without TLS, or if the handshake did not get so far.
	TLSVersion, CipherSuite, ServerCertificate string
	// Served is the chain that the agent presented, its own certificate first. AcceptableCAs are the subjects (DER) of the
	// authorities whose callers it says it accepts, one for each CA certificate that it has: two certificates of one name
	// give two entries. Both are nil without TLS, or if the handshake did not get so far.
	Served        []*x509.Certificate
	AcceptableCAs [][]byte
	// Protocol is the application protocol that ALPN agreed on; empty for none.
	Protocol string
	// Retry reports that the outcome says nothing for a reason that may be this machine's alone, such as packets that the
	// capture missed. The same probe may see more when it is run again.
	Retry bool
	// Unsettled reports that the outcome says nothing for a reason that needs time to pass: the servers had no leader, or no
	// answer came in time, as a server holds a request for 5 s while there is no leader (nomad/rpc.go:646). The same probe
	// may see more some seconds later.
	Unsettled bool
	// Nothing says why the agent has nothing of the kind that the probe looks at, such as no gossip key whose length could
	// be judged. Zero: it has something.
	Nothing Nothing
	// Err is the error that the caller's side saw; empty if there was none.
	Err string
	// Took is the time from the first dial to the outcome.
	Took time.Duration

	// hungUpAfter is the age of a connection that the agent ended without a message; zero if it did not.
	hungUpAfter time.Duration
}

// notReached returns the observation of a probe that could not be tried.
func notReached(reason string) Observation {
	return Observation{Outcome: NotReached, Err: reason}
}

// end sets the outcome of a connection that ended with err.
func (o *Observation) end(err error, s *session) {
	o.Outcome, o.Received, o.Err = classify(err, s), received(err), clean(err.Error())
	if isEnd(err) && !s.since.IsZero() {
		o.hungUpAfter = time.Since(s.since)
	}
}

// instead returns the observation of a step that the probe needed and that failed, in place of what it was to see.
func (o Observation) instead(reason string) Observation {
	if o.Err == "" {
		o.Err = o.Received
	}
	o.Outcome, o.Err = NotReached, clean(reason+": "+o.Err)
	return o
}

// classify returns the outcome of a connection that ended with err.
func classify(err error, s *session) Outcome {
	var notTLS tls.RecordHeaderError
	switch {
	case errors.Is(err, errBadForm):
		return Failed
	case isTimeout(err):
		return NotReached
	case isAlert(err):
		return RefusedInHandshake
	case isEnd(err) && s.accepted():
		return RefusedAfterHandshake
	case isEnd(err):
		return RefusedInHandshake
	case errors.As(err, &notTLS) && !s.accepted():
		return RefusedInHandshake
	default:
		// The caller itself ended it (it does not trust the agent's certificate), or the network did (no route any more).
		return NotReached
	}
}

// errBadForm is wrapped by errors about an answer that is incomplete or not in the protocol's form.
var errBadForm = errors.New("the answer is not in the protocol's form")

// isTimeout reports whether the time was up, or the caller's context was done.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// isAlert reports whether the agent sent a TLS alert. crypto/tls has no exported type for it; it wraps a received alert in an
// OpError of this Op.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// isEnd reports whether the agent ended the connection. The four errors are one class: for the same cause each of them comes,
// depending on who was faster.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// received describes how a connection ended.
func received(err error) string {
	var notTLS tls.RecordHeaderError
	switch {
	case errors.Is(err, errBadForm):
		return errBadForm.Error()
	case isTimeout(err):
		return "nothing within the time"
	case isAlert(err):
		return "TLS alert: " + strings.TrimPrefix(err.Error(), "remote error: tls: ")
	case errors.Is(err, syscall.ECONNRESET):
		return "connection reset"
	case errors.Is(err, syscall.EPIPE):
		return "connection closed while writing"
	case isEnd(err):
		return "end of stream"
	case errors.As(err, &notTLS):
		return "bytes that are not TLS"
	default:
		return ""
	}
}

// maxText bounds how much of an agent's own text is kept, in bytes.
const maxText = 300

// clean makes an agent's text fit for one line of a report.
func clean(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, text)
	if len(text) > maxText {
		return strings.ToValidUTF8(text[:maxText], "") + " …"
	}
	return text
}
