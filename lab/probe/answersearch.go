package probe

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// maxBody bounds what is looked through of an answer's body, in bytes.
const maxBody = 1 << 20

// AnswerLook is something to be looked for in an answer of the HTTP API.
type AnswerSearch struct {
	// For is the thing, as it follows "look for": "a CORS header".
	For string
	// In says whether it is there, and what was seen instead or besides, in words and without any secret. The body is the
	// answer's, 1 MiB of it at most, and is dropped afterwards: only those words stay. An error, in such words too, says that
	// it cannot be told from this answer, as where a field that is looked at is not in it: the outcome is Failed.
	In func(header http.Header, body []byte) (there bool, saw string, err error)
}

// HTTPLook is a probe that sends the request over HTTPS as the caller, and looks through an answer with a status below 300:
// Found or Absent. Any other answer has its own outcome, but for one that is given behind the guards alone (Ask.Behind),
// which is Absent. An answer that does not come whole, or has more than 1 MiB, is never Absent.
func HTTPSearch(a Ask, as Caller, l AnswerSearch) Probe {
	sentence := fmt.Sprintf("look for %s: %s %s", l.For, a, as.overHTTP())
	return a.carriedBy(New(PlaneHTTP, sentence, func(ctx context.Context, t Target) Observation {
		return overHTTPS(ctx, t, a, as, func(response *http.Response) (Outcome, string, error) {
			if response.StatusCode < 300 {
				return l.through(response)
			}
			outcome, text, err := a.judge(response)
			if outcome == Accepted {
				outcome = Absent
			}
			return outcome, text, err
		})
	}), as)
}

// through looks through the answer. What is in a part of it is in it, but what is not may be in the rest.
func (l AnswerSearch) through(response *http.Response) (Outcome, string, error) {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = fmt.Errorf("it has more than %d bytes, which are not looked through", maxBody)
	}
	there, saw, blind := l.In(response.Header, body[:min(len(body), maxBody)])
	switch {
	case there && blind == nil:
		return Found, clean(saw), nil
	case err != nil:
		return "", "", err
	case blind != nil:
		return Failed, clean(blind.Error()), nil
	default:
		return Absent, clean(saw), nil
	}
}
