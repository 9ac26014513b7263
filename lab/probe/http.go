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

	// keep asks for the connection to be kept for more requests.
	keep bool
}

// String is the request in words.
func (a Ask) String() string { return a.method() + " " + a.Path }

func (a Ask) method() string { return cmp.Or(a.Method, http.MethodGet) }

// HTTP is a probe that GETs the path, such as /v1/status/leader, over HTTPS as
// the caller. Nomad's HTTP plane checks no roles: with verify_https_client any
// leaf of its CA is accepted (verified against Nomad 1.11.3).
func HTTP(path string, as Caller) Probe { return HTTPAsk(Ask{Path: path}, as) }

// HTTPAsk is a probe that sends the request over HTTPS as the caller. An answer below 400, or one that is given behind the
// guards alone, is Accepted.
func HTTPAsk(a Ask, as Caller) Probe {
	sentence := fmt.Sprintf("%s over HTTPS with %s", a, as)
	return New(PlaneHTTP, sentence, func(ctx context.Context, t Target) Observation {
		return overHTTPS(ctx, t, a, as, a.judge)
	})
}

// overHTTPS sends the request to the target, and has its answer read.
func overHTTPS(ctx context.Context, t Target, a Ask, as Caller, read answerReader) Observation {
	if t.HTTPInClear && as.orInClear {
		e, err := a.exchange(ctx, "http", t.HTTP, as.token, read)
		if err != nil {
			return notReached(err.Error())
		}
		return converse(ctx, door{addr: t.HTTP, from: t.From}, e)
	}
	config, err := as.tlsConfig(t)
	if err != nil {
		return notReached(err.Error())
	}
	e, err := a.exchange(ctx, "https", t.ServerName, as.token, read)
	if err != nil {
		return notReached(err.Error())
	}
	return converse(ctx, door{addr: t.HTTP, from: t.From, config: config}, e)
}

// PlainHTTP is a probe that GETs the path over plain HTTP. An agent that wants
// HTTPS answers with a 400 in clear, which is Denied.
func PlainHTTP(path string) Probe {
	a := Ask{Path: path}
	return New(PlaneHTTP, fmt.Sprintf("%s over plain HTTP", a), func(ctx context.Context, t Target) Observation {
		e, err := a.exchange(ctx, "http", t.HTTP, "", a.judge)
		if err != nil {
			return notReached(err.Error())
		}
		return converse(ctx, door{addr: t.HTTP, from: t.From}, e)
	})
}

// answerReader makes an outcome, and what was received in words, of an answer whose body is still to be read.
type answerReader func(*http.Response) (Outcome, string, error)

// exchange is the request on the wire.
func (a Ask) exchange(ctx context.Context, scheme, host, token string, read answerReader) (exchange, error) {
	request, err := http.NewRequestWithContext(ctx, a.method(), scheme+"://"+host+a.Path, strings.NewReader(a.Body))
	if err != nil {
		return exchange{}, fmt.Errorf("build the request %s: %w", a, err)
	}
	request.Close = !a.keep
	if token != "" {
		request.Header.Set("X-Nomad-Token", token)
	}
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
