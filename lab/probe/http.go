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

// Request is one request to the HTTP API.
type Request struct {
	// Method is the HTTP method; zero means GET.
	Method string
	// Path begins with a slash and may have a query, for example /v1/vars?prefix=x. Required.
	Path string
	// Body is sent as it is; empty for none.
	Body string
	// AcceptedErrors are parts of answers with a status of 400 and above that only a caller with the needed rights gets, for
	// example "404 Not Found: job not found": the agent accepted the caller, and what was asked for does not exist. An answer
	// that contains one is Accepted.
	AcceptedErrors []string
	// RetryErrors are parts of answers with a status of 500 and above that say that others did not answer the agent in time.
	// Such an answer is worth a Retry. Nil: there are none.
	RetryErrors []string
	// Nothing returns, for an answer with a status of 500 and above, whether the agent has nothing of the kind that is asked
	// for. Nil: that is not known.
	Nothing func(answer string) Nothing
	// Origin is the site whose page a browser would send the request for. With the method OPTIONS it is a preflight: the
	// browser asks whether that page may send a PUT with an ACL token. Empty: no page sends it.
	Origin string

	// verified is the class that was found for the request whose key is verifiedAs; the zero class is Changes.
	verified   Effect
	verifiedAs string
	// keep asks for the connection to be kept for more requests.
	keep bool
}

// String returns the method and the path.
func (a Request) String() string { return a.method() + " " + a.Path }

func (a Request) method() string { return cmp.Or(a.Method, http.MethodGet) }

// WithoutEffectOn returns the request as one that was verified, with this method, path and body, to change nothing on these
// versions of Nomad even if it is accepted.
func (a Request) WithoutEffectOn(versions ...string) Request {
	a.verified, a.verifiedAs = WithoutEffectOn(versions...), a.key()
	return a
}

// key returns everything in the request that decides its effect.
func (a Request) key() string { return a.String() + "\n" + a.Origin + "\n" + a.Body }

// Effect returns the class of the request: Reads for a GET of a path that is known to read, else what WithoutEffectOn set for
// this very request.
func (a Request) Effect() Effect {
	switch {
	case a.method() == http.MethodGet && a.Body == "" && isReadPath(a.Path):
		return Reads()
	case a.verifiedAs == a.key():
		return a.verified
	default:
		return Changes()
	}
}

// classify returns the probe, which sends the request as the caller, in the request's class.
func (a Request) classify(p Probe, as Caller) Probe {
	return p.WithEffect(a.Effect()).withToken(as)
}

// HTTP returns a probe that GETs the path, such as /v1/status/leader, over HTTPS as the caller, or as Caller.OrPlaintext says.
// Nomad's HTTP plane checks no roles: with verify_https_client it accepts every certificate of its CA (verified against Nomad
// 1.11.3).
func HTTP(path string, as Caller) Probe { return HTTPRequest(Request{Path: path}, as) }

// HTTPRequest returns a probe that sends the request over HTTPS as the caller, or as Caller.OrPlaintext says. An answer below
// 300 is Accepted, and so is one of Request.AcceptedErrors.
func HTTPRequest(a Request, as Caller) Probe {
	sentence := fmt.Sprintf("%s %s", a, as.overHTTP())
	return a.classify(New(PlaneHTTP, sentence, func(ctx context.Context, t Target) Observation {
		return overHTTPS(ctx, t, a, as, a.judge)
	}), as)
}

// overHTTPS sends the request, over TLS or in plaintext as caller and target have it, and returns what read makes of the
// answer.
func overHTTPS(ctx context.Context, t Target, a Request, as Caller, read answerReader) Observation {
	at, e, err := a.endpoint(ctx, t, as, read)
	if err != nil {
		return notReached(err.Error())
	}
	o := runExchange(ctx, at, e)
	if o.Outcome != Failed {
		return o
	}
	o.Retry = containsAny(o.Received, a.RetryErrors)
	if a.Nothing != nil {
		o.Nothing = a.Nothing(o.Received)
	}
	return o
}

// endpoint returns the endpoint, with or without TLS, at which the caller sends the request, and its exchange.
func (a Request) endpoint(ctx context.Context, t Target, as Caller, read answerReader) (endpoint, exchange, error) {
	at, scheme := endpoint{addr: t.HTTP, from: t.From}, "http"
	if !t.HTTPPlaintext || !as.orPlaintext {
		config, err := as.tlsConfig(t)
		if err != nil {
			return endpoint{}, exchange{}, err
		}
		at.config, scheme = config, "https"
	}
	e, err := a.exchange(ctx, t, scheme, as, read)
	return at, e, err
}

// HealthPath is where an agent reports its own health, without a token (command/agent/agent_endpoint.go:667). With stale, a
// server uses what it knows itself; otherwise it would ask the leader, and wait if there is none.
const HealthPath = "/v1/agent/health?stale"

// Health returns a request for HealthPath. An unhealthy agent answers it with the status 500, and has accepted the caller all
// the same.
func Health() Request { return Request{Path: HealthPath, AcceptedErrors: []string{`"ok":false`}} }

// leaderPath needs no rights. A server answers it from what it knows, without asking the leader.
const leaderPath = "/v1/status/leader?stale"

// PlainHTTP returns a probe that GETs the path over plain HTTP. An agent that wants HTTPS answers with a 400 in plaintext,
// which is Denied.
func PlainHTTP(path string) Probe { return PlainHTTPRequest(Request{Path: path}) }

// PlainHTTPRequest returns a probe that sends the request over plain HTTP.
func PlainHTTPRequest(a Request) Probe {
	return exchangeProbe(PlaneHTTP, a.String()+" over plain HTTP", func(ctx context.Context, t Target) (endpoint, exchange, error) {
		e, err := a.exchange(ctx, t, "http", Caller{}, a.judge)
		return endpoint{addr: t.HTTP, from: t.From}, e, err
	}).WithEffect(a.Effect())
}

// answerReader returns the outcome of an answer whose body is still unread, and describes what was received.
type answerReader func(*http.Response) (Outcome, string, error)

// exchange returns the request as it is sent to the target. Every probe's requests come from here: it returns an error for a
// request that the target's Bounds forbid, and for one with a token that the target may not be sent.
func (a Request) exchange(ctx context.Context, t Target, scheme string, as Caller, read answerReader) (exchange, error) {
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
	var encoded bytes.Buffer
	if err := request.Write(&encoded); err != nil {
		return exchange{}, fmt.Errorf("write the request %s: %w", a, err)
	}
	return exchange{
		sent:    fmt.Sprintf("%s %s", scheme, a),
		request: encoded.Bytes(),
		answer: func(r io.Reader) (Outcome, string, error) {
			response, err := http.ReadResponse(bufio.NewReader(r), request)
			if err != nil {
				return "", "", err
			}
			defer func() { _ = response.Body.Close() }()
			return read(response)
		},
	}, nil
}

// addOrigin adds what a browser sends for a page of another site.
func (a Request) addOrigin(h http.Header) {
	if a.Origin == "" {
		return
	}
	h.Set("Origin", a.Origin)
	if a.Method == http.MethodOptions {
		h.Set("Access-Control-Request-Method", http.MethodPut)
		h.Set("Access-Control-Request-Headers", "x-nomad-token")
	}
}

// inURL returns a server's name as it stands in a URL: an IPv6 address in brackets.
func inURL(name string) string {
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}

// judge returns the outcome of an answer by its status. Of the body it keeps only the text of an error.
func (a Request) judge(response *http.Response) (Outcome, string, error) {
	status := clean(response.Status)
	switch code := response.StatusCode; {
	case code >= 300 && code < 400:
		return Failed, clean(status + ": it sends the caller on to " + response.Header.Get("Location")), nil
	case code == http.StatusTooManyRequests:
		return Failed, status, nil
	case code < 300:
		return Accepted, status, nil
	}
	// Half a text is better than none, so an error while reading it is ignored.
	body, _ := io.ReadAll(io.LimitReader(response.Body, 4*maxText))
	text := status + ": " + clean(string(body))
	switch {
	case containsAny(text, a.AcceptedErrors):
		return Accepted, text, nil
	case response.StatusCode < 500, strings.HasSuffix(text, "Permission denied"):
		return Denied, text, nil
	default:
		return Failed, text, nil
	}
}

// containsAny reports whether the text contains one of the parts.
func containsAny(text string, parts []string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}
