package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// classify names the outcome of a connection that ended with err.
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
		// What is left is the caller's own doing (it does not trust the agent's
		// certificate) or the network's (no route any more).
		return NotReached
	}
}

// errBadForm is wrapped by errors about an answer that came, but not whole or
// not in the protocol's form.
var errBadForm = errors.New("the answer is not in the protocol's form")

// isTimeout says whether the time was up, or the caller's context was done.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// isAlert says whether the agent sent a TLS alert. crypto/tls has no exported
// type for it; it wraps a received alert in an OpError of this Op.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// isEnd says whether the agent ended the connection. The four are one class: for
// the same cause each of them comes, depending on who was faster.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// received says in words how a connection ended.
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

// maxText is how much of an agent's own words is kept, in bytes.
const maxText = 300

// clean makes an agent's words fit for one line of a report.
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
