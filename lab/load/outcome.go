package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"github.com/hashicorp/nomad/api"
)

// Outcome is how one attempt of a call ended.
type Outcome string

// The outcomes of attempts.
const (
	// OK is an answer with what was asked for.
	OK Outcome = "ok"
	// NotReached is a connection that was never made: the agent is down, or nothing listens. Nothing was sent.
	NotReached Outcome = "not reached"
	// TLSFailed is a handshake that one side refused. Under TLS 1.3 the refusal may come after the request was sent, so this says
	// nothing about what was done; an agent that refuses the handshake does not read the request.
	TLSFailed Outcome = "TLS failed"
	// WrongScheme is HTTP sent to an HTTPS port, or HTTPS to an HTTP port.
	WrongScheme Outcome = "wrong scheme"
	// Cut is a connection that ended before the answer was complete. What was asked may have been done.
	Cut Outcome = "cut"
	// TimedOut is no answer in time. What was asked may have been done.
	TimedOut Outcome = "timed out"
	// NoLeader is an answer that the servers have no leader.
	NoLeader Outcome = "no leader"
	// ServerError is any other answer of 500 to 599. Nomad answers 500 with many texts if a call between servers fails, such as
	// "rpc error: EOF", "leadership lost while committing log". What was asked may have been done.
	ServerError Outcome = "server error"
	// Throttled is the answer 429.
	Throttled Outcome = "throttled"
	// Denied is the answer 401 or 403. It is never tried again: a policy that did so would hide a wrong token.
	Denied Outcome = "denied"
	// Conflict is the answer of a check-and-set that the variable has changed.
	Conflict Outcome = "conflict"
	// Refused is any other answer of 400 to 499.
	Refused Outcome = "refused"
	// Failed is an error that is none of these.
	Failed Outcome = "failed"
)

// mayHaveBeenDone reports whether a write with this outcome may have taken effect.
func (o Outcome) mayHaveBeenDone() bool {
	return slices.Contains([]Outcome{Cut, TimedOut, NoLeader, ServerError, Failed}, o)
}

// OutcomeOf returns the outcome that an error of nomad/api stands for; OK for nil.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return OK
	}
	if errors.As(err, new(api.ErrCASConflict)) {
		return Conflict
	}
	if answer, is := errors.AsType[api.UnexpectedResponseError](err); is && answer.HasStatusCode() {
		return outcomeOfCode(answer.StatusCode(), answer.Body())
	}
	if o := outcomeOfText(err.Error()); o != "" {
		return o
	}
	return outcomeOfConnection(err)
}

func outcomeOfCode(code int, body string) Outcome {
	switch {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return Denied
	case code == http.StatusTooManyRequests:
		return Throttled
	case code == http.StatusConflict:
		return Conflict
	case code == http.StatusBadRequest && strings.Contains(body, "HTTP request to an HTTPS server"):
		return WrongScheme
	case code >= http.StatusInternalServerError && (strings.Contains(body, "No cluster leader") || strings.Contains(body, "not the leader")):
		return NoLeader
	case code >= http.StatusInternalServerError && strings.Contains(body, "Permission denied"):
		// A few endpoints report the refusal of another server with 500.
		return Denied
	case code >= http.StatusInternalServerError:
		return ServerError
	default:
		return Refused
	}
}

// outcomeOfText reads errors that have no type of their own (net/http, websocket). "" is none of them.
func outcomeOfText(text string) Outcome {
	for _, known := range []struct {
		part    string
		outcome Outcome
	}{
		{"server gave HTTP response to HTTPS client", WrongScheme},
		{"malformed HTTP response", WrongScheme},
		{"HTTP request to an HTTPS server", WrongScheme},
		{"first record does not look like a TLS handshake", WrongScheme},
		{"has no HTTP address", NotReached},
		{"TLS handshake timeout", TLSFailed},
		{"remote error: tls:", TLSFailed},
		{"Unexpected response code: 403", Denied},
	} {
		if strings.Contains(text, known.part) {
			return known.outcome
		}
	}
	return ""
}

func outcomeOfConnection(err error) Outcome {
	var (
		op    *net.OpError
		inTLS *tls.CertificateVerificationError
		alert tls.AlertError
		frame tls.RecordHeaderError
		host  x509.HostnameError
		since x509.UnknownAuthorityError
		inv   x509.CertificateInvalidError
		other net.Error
	)
	switch {
	case errors.As(err, &inTLS), errors.As(err, &alert), errors.As(err, &host), errors.As(err, &since), errors.As(err, &inv):
		return TLSFailed
	case errors.As(err, &frame):
		return WrongScheme
	case errors.As(err, &op) && op.Op == "dial", errors.Is(err, syscall.ECONNREFUSED):
		return NotReached
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &other) && other.Timeout():
		return TimedOut
	case errors.As(err, &op), isEnd(err):
		return Cut
	default:
		return Failed
	}
}
