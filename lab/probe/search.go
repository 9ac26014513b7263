package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Search is something to search for in what a probe observed.
type Search struct {
	// For names it, as it follows "look for": "a key of less than 2048 bits in the certificate".
	For string
	// In reports whether it is there, and describes what was seen, without any secret. An error, also without a secret, says
	// that the observation does not show it; a Nothing says that the agent has nothing of that kind.
	In func(Observation) (there bool, saw string, err error)
}

// Nothing is the error of a search in something that the agent does not have. The zero Nothing says that it has it.
type Nothing struct {
	// Why says what it does not have, without any secret.
	Why string
	// JudgedBy is the ID of the check that judges whether the agent may lack it, without the role that may precede the ID.
	JudgedBy string
	// Missed is true if the agent ought to have it. If the check JudgedBy did not run, nothing has judged the lack.
	Missed bool
}

// Error says what is lacking, and which check judges that.
func (n Nothing) Error() string { return n.Why + ": see " + n.JudgedBy }

// IsZero reports whether nothing is lacking.
func (n Nothing) IsZero() bool { return n == Nothing{} }

// WithSearch returns the probe followed by a search in what it observed. Where p observes Accepted, the outcome is Found or
// Absent, or Failed if the search returned an error. Any other outcome of p stays.
func WithSearch(p Probe, search Search) Probe {
	with := p.wrap(func(ctx context.Context, t Target, inner func(context.Context, Target) Observation) Observation {
		o := inner(ctx, t)
		if o.Outcome != Accepted {
			return o
		}
		there, saw, err := search.In(o)
		o.Outcome, o.Received = Absent, clean(saw)
		switch {
		case err != nil:
			o.Outcome, o.Err = Failed, clean(err.Error())
			o.Nothing, _ = errors.AsType[Nothing](err)
		case there:
			o.Outcome = Found
		}
		return o
	})
	with.Sentence = fmt.Sprintf("look for %s: %s", search.For, p.Sentence)
	return with
}

// maxBody bounds how much of an answer's body is searched, in bytes.
const maxBody = 1 << 20

// AnswerSearch is something to search for in an answer of the HTTP API.
type AnswerSearch struct {
	// For names it, as it follows "look for": "a CORS header".
	For string
	// In reports whether it is there, and describes what was seen, without any secret. The body is at most 1 MiB, and is
	// dropped afterwards. An error, also without a secret, says that the answer does not show it, for example because a field
	// is missing: the outcome is Failed.
	In func(header http.Header, body []byte) (there bool, saw string, err error)
}

// HTTPSearch returns a probe that sends the request over HTTPS as the caller, and searches an answer with a status below 300:
// Found or Absent. Any other answer has its own outcome, except that an answer of Request.AcceptedErrors is Absent. An answer
// that is incomplete or longer than 1 MiB is never Absent.
func HTTPSearch(a Request, as Caller, search AnswerSearch) Probe {
	sentence := fmt.Sprintf("look for %s: %s %s", search.For, a, as.overHTTP())
	return a.classify(New(PlaneHTTP, sentence, func(ctx context.Context, t Target) Observation {
		return overHTTPS(ctx, t, a, as, func(response *http.Response) (Outcome, string, error) {
			if response.StatusCode < 300 {
				return search.run(response)
			}
			outcome, text, err := a.judge(response)
			if outcome == Accepted {
				outcome = Absent
			}
			return outcome, text, err
		})
	}), as)
}

// run searches the answer. A part of an answer can show that something is there, but not that it is absent.
func (s AnswerSearch) run(response *http.Response) (Outcome, string, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = fmt.Errorf("it has more than %d bytes, which are not looked through", maxBody)
	}
	there, saw, failure := s.In(response.Header, body[:min(len(body), maxBody)])
	switch {
	case there && failure == nil:
		return Found, clean(saw), nil
	case err != nil:
		return "", "", err
	case failure != nil:
		return Failed, clean(failure.Error()), nil
	default:
		return Absent, clean(saw), nil
	}
}

// otherOrigin is a site that no agent knows (RFC 2606).
const otherOrigin = "https://another-site.example"

// preflight returns the request that a browser sends before it lets a page of another site send a PUT with an ACL token
// (Fetch standard, CORS-preflight fetch). An agent answers it at HealthPath with 405 and without effect: the handler accepts
// only GET (command/agent/agent_endpoint.go:667, HealthRequest; verified against Nomad 1.11.3). Other paths may have an
// effect: /v1/client/gc accepts every method.
func preflight() Request {
	return Request{Method: http.MethodOptions, Path: HealthPath, Origin: otherOrigin}.WithoutEffectOn(readVersion)
}

// OtherOriginSearch returns a probe that searches what an agent answers to a page of another site. It sends a GET of
// HealthPath, or, if preflighted is true, a browser's preflight of a PUT with a token. To a cluster that this program did not
// start, and on whose versions the preflight was not verified, it sends the GET with the other site's Origin.
func OtherOriginSearch(preflighted bool, as Caller, search AnswerSearch) Probe {
	read := Request{Path: HealthPath, Origin: otherOrigin}
	sentence := fmt.Sprintf("look for %s: %s %s, for a page of another site", search.For, read, as.overHTTP())
	if preflighted {
		sentence = fmt.Sprintf("look for %s: %s %s, a browser's preflight for a page of another site", search.For, preflight(), as.overHTTP())
	}
	return read.classify(New(PlaneHTTP, sentence, func(ctx context.Context, t Target) Observation {
		request := read
		if preflighted && t.forbids(preflight().Effect()) == "" {
			request = preflight()
		}
		return overHTTPS(ctx, t, request, as, func(response *http.Response) (Outcome, string, error) {
			switch code := response.StatusCode; {
			case request.Method == http.MethodOptions && code == http.StatusMethodNotAllowed, code < http.StatusMultipleChoices:
				return search.run(response)
			case request.Method != http.MethodOptions && code == http.StatusInternalServerError:
				return search.ofUnhealthy().run(response)
			default:
				return request.judge(response)
			}
		})
	}), as)
}

// ofUnhealthy returns the search of the answer of an unhealthy agent, such as a server without a leader: it has the headers of
// every answer (command/agent/agent_endpoint.go:667, HealthRequest). Any other failure shows nothing.
func (s AnswerSearch) ofUnhealthy() AnswerSearch {
	return AnswerSearch{For: s.For, In: func(header http.Header, body []byte) (bool, string, error) {
		if !bytes.Contains(body, []byte(`"ok":false`)) {
			return false, "", errors.New("it failed, and does not say that it is not well")
		}
		return s.In(header, body)
	}}
}
