package probe

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
)

// HTTP is a probe that GETs the path, such as /v1/status/leader, over HTTPS as
// the caller. Nomad's HTTP plane checks no roles: with verify_https_client any
// leaf of its CA is accepted (verified against Nomad 1.11.3).
func HTTP(path string, as Caller) Probe {
	sentence := fmt.Sprintf("GET %s over HTTPS with %s", path, as)
	return New(PlaneHTTP, sentence, func(ctx context.Context, t Target) Observation {
		config, err := as.tlsConfig(t.ServerName)
		if err != nil {
			return notReached(err.Error())
		}
		e, err := get(ctx, "https", t.ServerName, path)
		if err != nil {
			return notReached(err.Error())
		}
		return converse(ctx, door{addr: t.HTTP, from: t.From, config: config}, e)
	})
}

// PlainHTTP is a probe that GETs the path over plain HTTP. An agent that wants
// HTTPS answers with a 400 in clear, which is Denied.
func PlainHTTP(path string) Probe {
	sentence := fmt.Sprintf("GET %s over plain HTTP", path)
	return New(PlaneHTTP, sentence, func(ctx context.Context, t Target) Observation {
		e, err := get(ctx, "http", t.HTTP, path)
		if err != nil {
			return notReached(err.Error())
		}
		return converse(ctx, door{addr: t.HTTP, from: t.From}, e)
	})
}

// get is the exchange of one GET.
func get(ctx context.Context, scheme, host, path string) (exchange, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+host+path, nil)
	if err != nil {
		return exchange{}, fmt.Errorf("build the request GET %s: %w", path, err)
	}
	request.Close = true
	var wire bytes.Buffer
	if err := request.Write(&wire); err != nil {
		return exchange{}, fmt.Errorf("write the request GET %s: %w", path, err)
	}
	return exchange{
		sent:    fmt.Sprintf("%s GET %s", scheme, path),
		request: wire.Bytes(),
		answer: func(r io.Reader) (Outcome, string, error) {
			return readHTTP(r, request)
		},
	}, nil
}

// readHTTP classes an answer by its status. Of the body it keeps an error's
// text alone.
func readHTTP(r io.Reader, request *http.Request) (Outcome, string, error) {
	response, err := http.ReadResponse(bufio.NewReader(r), request)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = response.Body.Close() }()
	status := clean(response.Status)
	switch {
	case response.StatusCode < 400:
		return Accepted, status, nil
	case response.StatusCode < 500:
		return Denied, status + ": " + errorText(response.Body), nil
	default:
		return Failed, status + ": " + errorText(response.Body), nil
	}
}

// errorText is what an error's body says. Half a text is better than none, so
// an error while reading it is not one of the probe.
func errorText(body io.Reader) string {
	text, _ := io.ReadAll(io.LimitReader(body, 4*maxText))
	return clean(string(text))
}
