package inspect

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// meet makes a target of an agent's address, to which reads alone may be sent until its version is known. The agent's
// certificate, which is shown before anything is asked of the caller, tells its name and region, and its answer about its health
// its role. Whether it may be sent a token is decided by the names that the user expects. An agent that does not answer is
// returned too, with ErrNoAnswer. shown is the chain that it presented, its own certificate first; nil without TLS.
func (r Remote) meet(ctx context.Context, given string, c pki.Credential) (agent probe.Target, shown []*x509.Certificate, err error) {
	at, err := url.Parse(given)
	if strings.Contains(given, "@") { // what stands before it may be a secret, so it is not repeated
		return probe.Target{}, nil, fmt.Errorf("%w: there is a user or a password in it, which Nomad has none of: give it as https://HOST:PORT", ErrAddress)
	}
	if err != nil || at.Host == "" || at.Port() == "" || at.Scheme != "https" && at.Scheme != "http" {
		return probe.Target{}, nil, fmt.Errorf("%w: %q: give it as https://HOST:PORT, for example https://10.0.0.5:4646", ErrAddress, given)
	}
	agent = probe.Target{
		Name: at.Host, Role: pki.Server, Region: c.Identity.Region, HTTP: at.Host,
		Bounds: &probe.Bounds{}, NoToken: "it has shown no certificate",
	}
	shown, err = shownBy(ctx, at.Host, c)
	if errors.As(err, new(x509.UnknownAuthorityError)) || errors.As(err, new(x509.CertificateInvalidError)) {
		return agent, nil, fmt.Errorf("%w: %s: %w: is it the right authority?", ErrUntrusted, given, err)
	}
	if err == nil {
		id := identityOf(shown[0].DNSNames, shown[0].Subject.CommonName)
		agent.Region, agent.ServerName = id.Region, serverName(shown[0])
		agent.Role = roleOf(ctx, agent, probe.As(c))
		name, why := r.verifiedName(agent.Role, at.Hostname(), shown[0])
		agent.ServerName, agent.NoToken = cmp.Or(name, agent.ServerName), why
		return agent, shown, nil
	}
	agent.HTTPInClear = true // asked without a certificate and without a token
	agent.ServerName = pki.Identity{Role: pki.Server, Region: c.Identity.Region}.Name()
	if probe.PlainHTTPAsk(probe.Health()).Observe(ctx, agent).Outcome == probe.Accepted {
		agent.Role = roleOf(ctx, agent, probe.As(c).OrInClear())
		agent.HTTPInClear, agent.NoToken = false, withoutTLS
		return agent, nil, nil // no TLS at all: what is open there is for the checks to say
	}
	agent.HTTPInClear = false
	return agent, nil, fmt.Errorf("%w: %s: %w", ErrNoAnswer, given, err)
}

// shownBy is the chain that the agent shows, if its certificate leads to one of the user's authorities: for whatever name.
func shownBy(ctx context.Context, at string, c pki.Credential) ([]*x509.Certificate, error) {
	config, err := c.ClientTLS("any.name")
	if err != nil {
		return nil, err
	}
	config = config.Clone()
	var shown []*x509.Certificate
	config.InsecureSkipVerify = true //nolint:gosec // it is verified below, but for the name, which is not known yet
	config.VerifyConnection = func(state tls.ConnectionState) error {
		rest := x509.NewCertPool()
		for _, i := range state.PeerCertificates[1:] {
			rest.AddCert(i)
		}
		if _, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: config.RootCAs, Intermediates: rest}); err != nil {
			return err
		}
		shown = state.PeerCertificates
		return nil
	}
	ctx, cancel := deadline.Fair(ctx, probe.DefaultTimeout)
	defer cancel()
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", at)
	if conn != nil {
		_ = conn.Close()
	}
	if shown != nil {
		return shown, nil // what it thinks of the caller is for the checks to say
	}
	return nil, err
}

// serverName is a name in the certificate: the one of Nomad's form, else any. To expect it proves nothing of who the agent is:
// it is for questions to an agent of which no other name is known, which is sent no token.
func serverName(c *x509.Certificate) string {
	id := identityOf(c.DNSNames, c.Subject.CommonName)
	if name := id.Name(); c.VerifyHostname(name) == nil {
		return name
	}
	for _, name := range c.DNSNames {
		if c.VerifyHostname(name) == nil {
			return name
		}
	}
	for _, ip := range c.IPAddresses {
		return ip.String()
	}
	return cmp.Or(c.Subject.CommonName, id.Name())
}

// roleOf asks the agent for its health, which it tells without a token, and in it what it is
// (command/agent/agent_endpoint.go:667; verified against Nomad 1.11.3). One that does not say is taken for a server.
func roleOf(ctx context.Context, agent probe.Target, as probe.Caller) pki.Role {
	var answer struct{ Server, Client json.RawMessage }
	look := probe.AnswerSearch{For: "its role", In: func(_ http.Header, body []byte) (bool, string, error) {
		return true, "", json.Unmarshal(body, &answer)
	}}
	probe.HTTPSearch(probe.Ask{Path: probe.HealthPath}, as, look).Observe(ctx, agent)
	if answer.Server == nil && answer.Client != nil {
		return pki.Client
	}
	return pki.Server
}
