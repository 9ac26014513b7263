package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
)

// otherOrigin is a site that no agent has heard of (RFC 2606).
const otherOrigin = "https://another-site.example"

// preflight is what a browser asks before it lets a page of another site send a PUT with an ACL token (Fetch standard, CORS-preflight
// fetch). An agent answers it at HealthPath with 405, behind no effect: the handler takes GET alone
// (command/agent/agent_endpoint.go:667, HealthRequest; verified against Nomad 1.11.3). At other paths Nomad may carry it out:
// /v1/client/gc looks at no method.
func preflight() Ask {
	return Ask{Method: http.MethodOptions, Path: HealthPath, Origin: otherOrigin}.WithoutEffectOn(readVersion)
}

// ofTheUnwell is the look at the answer of an agent that is not well, as a server that sees no leader for a moment: its headers are
// those of every answer (command/agent/agent_endpoint.go:667, HealthRequest). Of another failure nothing is known.
func (l AnswerSearch) ofTheUnwell() AnswerSearch {
	return AnswerSearch{For: l.For, In: func(header http.Header, body []byte) (bool, string, error) {
		if !bytes.Contains(body, []byte(`"ok":false`)) {
			return false, "", errors.New("it failed, and does not say that it is not well")
		}
		return l.In(header, body)
	}}
}

// OtherOriginLook is a probe that looks through what an agent answers to a page of another site: to its GET of HealthPath, and,
// where leave is asked for more than to read, to a browser's preflight of a PUT with a token. To a cluster that this program did not
// start, whose versions that preflight was not verified on, the GET alone is sent, with the other site's Origin.
func OtherOriginSearch(more bool, as Caller, l AnswerSearch) Probe {
	read := Ask{Path: HealthPath, Origin: otherOrigin}
	sentence := fmt.Sprintf("look for %s: %s %s, for a page of another site", l.For, read, as.overHTTP())
	if more {
		sentence = fmt.Sprintf("look for %s: %s %s, a browser's preflight for a page of another site", l.For, preflight(), as.overHTTP())
	}
	return read.carriedBy(New(PlaneHTTP, sentence, func(ctx context.Context, t Target) Observation {
		ask := read
		if more && t.forbids(preflight().Effect()) == "" {
			ask = preflight()
		}
		return overHTTPS(ctx, t, ask, as, func(response *http.Response) (Outcome, string, error) {
			switch code := response.StatusCode; {
			case ask.Method == http.MethodOptions && code == http.StatusMethodNotAllowed, code < http.StatusMultipleChoices:
				return l.through(response)
			case ask.Method != http.MethodOptions && code == http.StatusInternalServerError:
				return l.ofTheUnwell().through(response)
			default:
				return ask.judge(response)
			}
		})
	}), as)
}
