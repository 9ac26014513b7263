package probe

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Ask is one request to the HTTP API.
type Ask struct {
	// Method is the HTTP method; zero means GET.
	Method string
	// Path begins with a slash and may have a query, for example /v1/vars?prefix=x. Required.
	Path string
	// Body is sent as it stands; empty for none.
	Body string
	// Behind are texts of which an answer with a status of 400 and above contains one when it could only be given behind
	// the guards, for example "404 Not Found: job not found": the caller was let in, and what it asked for is not there.
	Behind []string
	// Late are texts of which an answer with a status of 500 and above contains one when others have not answered the agent in
	// time: it says nothing, and is worth a Retry. Nil: there are none.
	Late []string
	// Nothing tells from an answer with a status of 500 and above whether the agent has nothing of the kind that is asked for. Nil:
	// that is not known.
	Nothing func(answer string) Nothing
	// Origin is the site whose page a browser would send the request for. With the method OPTIONS it is a preflight: the browser
	// asks whether that page may send a PUT with an ACL token. Empty: no page sends it.
	Origin string

	// verified is the class that was found for the request whose wording is verifiedAs; the zero class is Changes.
	verified   Effect
	verifiedAs string
	// keep asks for the connection to be kept for more requests.
	keep bool
}

// String is the request in words.
func (a Ask) String() string { return a.method() + " " + a.Path }

func (a Ask) method() string { return cmp.Or(a.Method, http.MethodGet) }

// WithoutEffectOn returns the request as one of which it was verified, with this very method, path and body, that it changes
// nothing on these versions of Nomad, even where it is let in.
func (a Ask) WithoutEffectOn(versions ...string) Ask {
	a.verified, a.verifiedAs = WithoutEffectOn(versions...), a.wording()
	return a
}

// wording is all of the request that decides what it does.
func (a Ask) wording() string { return a.String() + "\n" + a.Origin + "\n" + a.Body }

// Effect is the class of the request. A GET of a path that is known to read is a read. Of any other request nothing is known
// but what WithoutEffectOn says, and that of the very same request alone.
func (a Ask) Effect() Effect {
	switch {
	case a.method() == http.MethodGet && a.Body == "" && isReadPath(a.Path):
		return Reads()
	case a.verifiedAs == a.wording():
		return a.verified
	default:
		return Changes()
	}
}

// carriedBy is the probe of the request by that caller, in its class; not for a target to which the caller's token may not go.
func (a Ask) carriedBy(p Probe, as Caller) Probe {
	return p.Classed(a.Effect()).bearing(as)
}

// HTTP is a probe that GETs the path, such as /v1/status/leader, over HTTPS as
// the caller, or as Caller.OrInClear has it. Nomad's HTTP plane checks no roles: with verify_https_client any
// leaf of its CA is accepted (verified against Nomad 1.11.3).
func HTTP(path string, as Caller) Probe { return HTTPAsk(Ask{Path: path}, as) }

// HTTPAsk is a probe that sends the request over HTTPS as the caller, or as Caller.OrInClear has it. An answer below 400, or one that is given behind the
// guards alone, is Accepted.
func HTTPAsk(a Ask, as Caller) Probe {
	sentence := fmt.Sprintf("%s %s", a, as.overHTTP())
	return a.carriedBy(New(PlaneHTTP, sentence, func(ctx context.Context, t Target) Observation {
		return overHTTPS(ctx, t, a, as, a.judge)
	}), as)
}

// overHTTPS sends the request to the target, and has its answer read.
func overHTTPS(ctx context.Context, t Target, a Ask, as Caller, read answerReader) Observation {
	o := a.sent(ctx, t, as, read)
	if o.Outcome != Failed {
		return o
	}
	o.Retry = containsAny(o.Received, a.Late)
	if a.Nothing != nil {
		o.Nothing = a.Nothing(o.Received)
	}
	return o
}

// sent sends the request, over TLS or in the clear as the caller speaks to that target, and returns what read makes of the answer.
func (a Ask) sent(ctx context.Context, t Target, as Caller, read answerReader) Observation {
	d, e, err := a.addressed(ctx, t, as, read)
	if err != nil {
		return notReached(err.Error())
	}
	return converse(ctx, d, e)
}

// addressed returns the door that the caller goes through to that target, with TLS or in the clear, and the request for it.
func (a Ask) addressed(ctx context.Context, t Target, as Caller, read answerReader) (endpoint, exchange, error) {
	d, scheme := endpoint{addr: t.HTTP, from: t.From}, "http"
	if !t.HTTPInClear || !as.orInClear {
		config, err := as.tlsConfig(t)
		if err != nil {
			return endpoint{}, exchange{}, err
		}
		d.config, scheme = config, "https"
	}
	e, err := a.exchange(ctx, t, scheme, as, read)
	return d, e, err
}

// HealthPath asks an agent for its own health, which it tells without a token (command/agent/agent_endpoint.go:667). Stale, a
// server looks for a leader in what it knows itself; else it would ask the leader, and wait for one where there is none.
const HealthPath = "/v1/agent/health?stale"

// Health asks for HealthPath. An agent that is not well says so with the status 500, and has let the caller in all the same.
func Health() Ask { return Ask{Path: HealthPath, Behind: []string{`"ok":false`}} }

// PlainHTTP is a probe that GETs the path over plain HTTP. An agent that wants
// HTTPS answers with a 400 in clear, which is Denied.
func PlainHTTP(path string) Probe { return PlainHTTPAsk(Ask{Path: path}) }

// PlainHTTPAsk is PlainHTTP with a whole request.
func PlainHTTPAsk(a Ask) Probe {
	return New(PlaneHTTP, a.String()+" over plain HTTP", func(ctx context.Context, t Target) Observation {
		e, err := a.exchange(ctx, t, "http", Caller{}, a.judge)
		if err != nil {
			return notReached(err.Error())
		}
		return converse(ctx, endpoint{addr: t.HTTP, from: t.From}, e)
	}).Classed(a.Effect())
}

// answerReader makes an outcome, and what was received in words, of an answer whose body is still to be read.
type answerReader func(*http.Response) (Outcome, string, error)

// exchange is the request to the target on the wire. Every request goes through here, whichever probe sends it: one that the
// target's Bounds forbid is not made, nor one with a token that may not go there.
func (a Ask) exchange(ctx context.Context, t Target, scheme string, as Caller, read answerReader) (exchange, error) {
	if why := cmp.Or(t.forbids(a.Effect()), t.withholds(as)); why != "" {
		return exchange{}, fmt.Errorf("%s is not sent: %s", a, why)
	}
	host := t.HTTP
	if scheme == "https" {
		host = inURL(t.ServerName)
	}
	request, err := http.NewRequestWithContext(ctx, a.method(), scheme+"://"+host+a.Path, strings.NewReader(a.Body))
	if err != nil {
		return exchange{}, fmt.Errorf("build the request %s: %w", a, err)
	}
	request.Close = !a.keep
	if as.token != "" {
		request.Header.Set("X-Nomad-Token", as.token)
	}
	a.addOrigin(request.Header)
	var wire bytes.Buffer
	if err := request.Write(&wire); err != nil {
		return exchange{}, fmt.Errorf("write the request %s: %w", a, err)
	}
	return exchange{
		sent:    fmt.Sprintf("%s %s", scheme, a),
		request: wire.Bytes(),
		answer: func(r io.Reader) (Outcome, string, error) {
			response, err := http.ReadResponse(bufio.NewReader(r), request)
			if err != nil {
				return "", "", err
			}
			// To close the body is to read the rest of it, so that on a connection that is kept the next answer comes next.
			defer func() { _ = response.Body.Close() }()
			return read(response)
		},
	}, nil
}

// addOrigin adds what a browser sends for a page of another site.
func (a Ask) addOrigin(h http.Header) {
	if a.Origin == "" {
		return
	}
	h.Set("Origin", a.Origin)
	if a.Method == http.MethodOptions {
		h.Set("Access-Control-Request-Method", http.MethodPut)
		h.Set("Access-Control-Request-Headers", "x-nomad-token")
	}
}

// inURL is a server's name as a URL has it: an IPv6 address stands in brackets.
func inURL(name string) string {
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}

// judge classes an answer by its status. Of the body it keeps an error's
// text alone.
func (a Ask) judge(response *http.Response) (Outcome, string, error) {
	status := clean(response.Status)
	switch code := response.StatusCode; {
	case code >= 300 && code < 400:
		return Failed, clean(status + ": it sends the caller on to " + response.Header.Get("Location")), nil
	case code == http.StatusTooManyRequests:
		return Failed, status, nil
	case code < 300:
		return Accepted, status, nil
	}
	text := status + ": " + errorText(response.Body)
	switch {
	case containsAny(text, a.Behind):
		return Accepted, text, nil
	case response.StatusCode < 500, strings.HasSuffix(text, "Permission denied"):
		return Denied, text, nil
	default:
		return Failed, text, nil
	}
}

// containsAny says whether the text contains one of the parts.
func containsAny(text string, parts []string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

// errorText is what an error's body says. Half a text is better than none, so
// an error while reading it is not one of the probe.
func errorText(body io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(body, 4*maxText))
	return clean(string(text))
}
