package vault

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/spec"
)

// What can be wrong with a Vault server, a token or a role. Each is an spec.ErrInvalid.
const (
	// ErrAddress is returned, wrapped, for an address or an authority that cannot be used at all.
	ErrAddress = spec.InputError("the address of Vault cannot be used")
	// ErrUnreachable is returned, wrapped, if no Vault answers.
	ErrUnreachable = spec.InputError("Vault cannot be reached")
	// ErrUninitialised is returned, wrapped, for a Vault that nobody has initialised.
	ErrUninitialised = spec.InputError("Vault is not initialised")
	// ErrSealed is returned, wrapped, for a Vault that is sealed.
	ErrSealed = spec.InputError("Vault is sealed")
	// ErrStandby is returned, wrapped, for a Vault server that is not the active one.
	ErrStandby = spec.InputError("this Vault server is a standby")
	// ErrToken is returned, wrapped, for a token that Vault does not know: expired, revoked, or of another Vault.
	ErrToken = spec.InputError("Vault does not know the token")
	// ErrDenied is returned, wrapped, if no policy of the token allows the call.
	ErrDenied = spec.InputError("the token's policies do not allow it")
	// ErrName is returned, wrapped, if a role does not allow a name.
	ErrName = spec.InputError("the role does not allow the name")
	// ErrLifetime is returned, wrapped, for a life that Vault cannot give.
	ErrLifetime = spec.InputError("the lifetime cannot be had")
)

const (
	// callTimeout ends a call that hangs. A key of 2048 bits takes a slow machine some seconds.
	callTimeout = 2 * time.Minute
	// maxAnswer is more than any answer that is used here.
	maxAnswer = 4 << 20
	// tokenHeader carries the token: no token is ever in an address or a body of a call for a certificate.
	tokenHeader = "X-Vault-Token"
)

// Client calls one Vault server. It may be used from several goroutines at once. The zero Client cannot be used: make one with
// NewClient.
type Client struct {
	address string
	http    *http.Client
}

// NewClient returns a client for a Vault server, such as https://127.0.0.1:8200. caPEM is the authority of Vault's own
// certificate. Nil: the system's. The client uses no proxy. It returns ErrAddress, wrapped.
func NewClient(address string, caPEM []byte) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%w: %q: write it as https://HOST:PORT", ErrAddress, address)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caPEM != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(caPEM) {
			return nil, fmt.Errorf("%w: the authority of its certificate holds no certificate in PEM form", ErrAddress)
		}
	}
	return &Client{
		address: u.Scheme + "://" + u.Host,
		http: &http.Client{
			Transport: &http.Transport{TLSClientConfig: config}, Timeout: callTimeout,
			// The token goes to this server alone: net/http would send its header along to wherever a redirect points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Address returns the URL of the Vault server.
func (c *Client) Address() string { return c.address }

// Close closes the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Answer is what Vault answers to a call. The zero Answer is that of a call without an answer.
type Answer struct {
	// Data is the answer's own part. Secret where a call makes a key or a token.
	Data map[string]any `json:"data"`
	// Auth is the token that the call made, or nil.
	Auth *Auth `json:"auth"`
	// Warnings say what Vault did otherwise than asked for: it shortens a life, and ignores a parameter, with a warning alone.
	Warnings []string `json:"warnings"`
	// LeaseID is the lease of what was issued, or empty.
	LeaseID string `json:"lease_id"`
}

// Auth is a token that Vault made.
type Auth struct {
	token         Secret
	Accessor      string   `json:"accessor"`
	Policies      []string `json:"policies"`
	LeaseDuration int      `json:"lease_duration"`
	Renewable     bool     `json:"renewable"`
}

// UnmarshalJSON reads a token so that it does not print.
func (a *Auth) UnmarshalJSON(text []byte) error {
	type plain Auth
	var read struct {
		plain
		ClientToken string `json:"client_token"`
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*a = Auth(read.plain)
	a.token = NewSecret(read.ClientToken)
	return nil
}

// Token returns the token.
func (a *Auth) Token() Secret { return a.token }

// Text returns one text of the data; empty if it is missing or no text.
func (a Answer) Text(key string) string {
	text, _ := a.Data[key].(string)
	return text
}

// Number returns one number of the data; zero if it is missing or no number.
func (a Answer) Number(key string) int64 {
	number, _ := a.Data[key].(json.Number)
	n, _ := number.Int64()
	return n
}

// CallError is the error of a call that Vault refused. It holds no token.
type CallError struct {
	// Method and Path are those of the call; Path has no "/v1/".
	Method, Path string
	// Status is the HTTP status.
	Status int
	// Messages are Vault's own words.
	Messages []string
}

// Error says what Vault refused.
func (e *CallError) Error() string {
	return fmt.Sprintf("%s %s: status %d: %s", e.Method, e.Path, e.Status, strings.Join(e.Messages, "; "))
}

// Unwrap returns why Vault refused, such as ErrSealed, ErrToken, ErrDenied or ErrName, or nil if that cannot be known.
func (e *CallError) Unwrap() error {
	said := strings.Join(e.Messages, " ")
	switch {
	case strings.Contains(said, "Vault is sealed"):
		return ErrSealed
	case strings.Contains(said, "invalid token"), strings.Contains(said, "missing client token"):
		return ErrToken
	case e.Status == http.StatusForbidden:
		return ErrDenied
	case strings.Contains(said, "not allowed by this role"):
		return ErrName
	case strings.Contains(said, "beyond the expiration of the CA certificate"):
		return ErrLifetime
	case strings.Contains(said, "Client sent an HTTP request to an HTTPS server"):
		return ErrAddress
	default:
		return nil
	}
}

// Call sends one request with that token. A zero token: none. path has no "/v1/"; a nil body: none. LIST is a method of Vault's.
// It returns a *CallError, wrapped, if Vault refuses, and ErrUnreachable if no Vault answers.
func (c *Client) Call(ctx context.Context, token Secret, method, path string, body any) (Answer, error) {
	status, text, err := c.send(ctx, token, method, path, body)
	if err != nil {
		return Answer{}, err
	}
	if status >= http.StatusBadRequest {
		return Answer{}, &CallError{Method: method, Path: path, Status: status, Messages: messages(text, token)}
	}
	var answer Answer
	if len(bytes.TrimSpace(text)) == 0 {
		return answer, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&answer); err != nil {
		return Answer{}, fmt.Errorf("%s %s of Vault at %s: the answer is no JSON of Vault's", method, path, c.address)
	}
	return answer, nil
}

// Fetch returns the body of a page that is not JSON, such as pki/ca/pem, without a token. It returns the errors of Call.
func (c *Client) Fetch(ctx context.Context, path string) ([]byte, error) {
	status, text, err := c.send(ctx, Secret{}, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, &CallError{Method: http.MethodGet, Path: path, Status: status, Messages: messages(text, Secret{})}
	}
	return text, nil
}

// send sends a request and reads the whole answer.
func (c *Client) send(ctx context.Context, token Secret, method, path string, body any) (status int, text []byte, err error) {
	var content []byte
	if body != nil {
		if content, err = json.Marshal(body); err != nil {
			return 0, nil, fmt.Errorf("encode the call %s %s: %w", method, path, err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.address+"/v1/"+path, bytes.NewReader(content))
	if err != nil {
		return 0, nil, fmt.Errorf("call %s of Vault at %s: %w", path, c.address, err)
	}
	if method == http.MethodPatch { // a change of some fields; Vault refuses it without the type
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	if !token.IsZero() {
		request.Header.Set(tokenHeader, token.Reveal())
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return 0, nil, c.unreachable(ctx, err)
	}
	defer func() { _ = answer.Body.Close() }() // the body was read, or the read says what is wrong
	text, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return 0, nil, c.unreachable(ctx, err)
	}
	return answer.StatusCode, text, nil
}

// unreachable returns the error of a call to which no Vault answered, with what is most likely wrong.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("call Vault at %s: %w", c.address, ctx.Err())
	}
	remedy := "start it, or mend its address"
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		remedy = "give the authority of its certificate"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		remedy = "it listens without TLS: write http://, or give it a certificate"
	}
	return fmt.Errorf("%w at %s: %w: %s", ErrUnreachable, c.address, err, remedy)
}

// messages returns Vault's own words, without the token if a message should repeat it.
func messages(text []byte, token Secret) []string {
	var said struct {
		Errors   []string `json:"errors"`
		Warnings []string `json:"warnings"`
	}
	if json.Unmarshal(text, &said) != nil || len(said.Errors)+len(said.Warnings) == 0 {
		return []string{strings.TrimSpace(string(text[:min(len(text), 200)]))}
	}
	out := slices.Concat(said.Errors, said.Warnings)
	for i, m := range out {
		m = strings.Join(strings.Fields(m), " ")
		if !token.IsZero() {
			m = strings.ReplaceAll(m, token.Reveal(), "…")
		}
		out[i] = m
	}
	return out
}
