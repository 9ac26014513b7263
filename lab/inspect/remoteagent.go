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

// contact makes a target of an agent's address. Only reads may be sent to it until its version is known. The agent's name and region
// come from its certificate, and its role from its answer about its health. The names that the user expects decide whether a token
// may be sent to it. shown is the chain that it presented, its own certificate first; nil without TLS. An agent that does not answer
// is returned too, with ErrNoAnswer.
func (r Remote) contact(ctx context.Context, given string, c pki.Credential) (agent probe.Target, shown []*x509.Certificate, err error) {
	at, err := url.Parse(given)
	if strings.Contains(given, "@") { // what stands before it may be a secret, so the error does not quote it
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
	agent.HTTPPlaintext = true // asked without a certificate and without a token
	agent.ServerName = pki.Identity{Role: pki.Server, Region: c.Identity.Region}.Name()
	if probe.PlainHTTPRequest(probe.Health()).Observe(ctx, agent).Outcome == probe.Accepted {
		agent.Role = roleOf(ctx, agent, probe.As(c).OrPlaintext())
		agent.HTTPPlaintext, agent.NoToken = false, withoutTLS
		return agent, nil, nil // no TLS at all: the checks say what is open there
	}
	agent.HTTPPlaintext = false
	return agent, nil, fmt.Errorf("%w: %s: %w", ErrNoAnswer, given, err)
}

// shownBy returns the chain that the agent presents, if its certificate leads to one of the user's authorities, for any name.
func shownBy(ctx context.Context, at string, c pki.Credential) ([]*x509.Certificate, error) {
	config, err := c.ClientTLS("any.name")
	if err != nil {
		return nil, err
	}
	config = config.Clone()
	var shown []*x509.Certificate
	config.InsecureSkipVerify = true //nolint:gosec // it is verified below, except for the name, which is not known yet
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
		return shown, nil // whether it accepts the caller is for the checks to say
	}
	return nil, err
}

// serverName returns a name of the certificate, in Nomad's form if it has one. It proves nothing about the agent, since it is the
// agent's own claim: use it only for an agent of which no other name is known, and to which no token is sent.
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

// roleOf returns the role that the agent's answer about its health shows, which takes no token
// (command/agent/agent_endpoint.go:667; verified against Nomad 1.11.3). An agent that does not say counts as a server.
func roleOf(ctx context.Context, agent probe.Target, as probe.Caller) pki.Role {
	var answer struct{ Server, Client json.RawMessage }
	search := probe.AnswerSearch{For: "its role", In: func(_ http.Header, body []byte) (bool, string, error) {
		return true, "", json.Unmarshal(body, &answer)
	}}
	probe.HTTPSearch(probe.Request{Path: probe.HealthPath}, as, search).Observe(ctx, agent)
	if answer.Server == nil && answer.Client != nil {
		return pki.Client
	}
	return pki.Server
}
