package scenarios

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// cfsslGuide proves what the certificates of a widely read guide are worth: one server and one client, whose HTTP port differs, a
// gossip key of 16 bytes, and certificates as the guide has cfssl make them.
func cfsslGuide() scenario.Scenario {
	return scenario.Scenario{
		Name:  "certificates-end-with-their-authority",
		Claim: "Certificates that cfssl makes for ten years under an authority of five end with it, and the checks name what a guide leaves weak.",
		Spec: spec.Spec{
			Authority: spec.Authority{Source: spec.CFSSLSource, AsPublished: true}, GossipKeyBytes: 16,
			Regions: []spec.Region{{Servers: new(1), Clients: new(1)}},
			Ports:   []spec.AgentPorts{{Role: pki.Client, HTTP: 5656}},
		},
		Steps: func() []scenario.Step {
			return []scenario.Step{
				{Title: "The user's certificate has no name at all: HTTPS accepts it, RPC does not", Do: namelessUser},
				{Title: "Each agent's certificate ends with its authority, years before it says so itself", Do: endWithAuthority},
				{Title: "The checks name what the guide leaves weak: certificates of ten years, and a short gossip key", Do: guideIsWeak},
			}
		},
	}
}

// namelessUser tries the user's certificate. The control at RPC is a server's certificate of the same authority, that at HTTPS none.
func namelessUser(ctx context.Context, t *scenario.T) error {
	credential := t.Lab.Credential()
	leaf, err := credential.Leaf()
	if err != nil {
		return err
	}
	if names := len(leaf.DNSNames) + len(leaf.IPAddresses); names > 0 || leaf.Subject.String() != "" {
		return fmt.Errorf("the user's certificate has %d names and the subject %q: the guide's has none", names, leaf.Subject)
	}
	server, err := as(t.Lab, pki.Server, pki.DefaultRegion)
	if err != nil {
		return err
	}
	user := probe.As(credential).WithLabel("the user, whose certificate has no name")
	const why = "HTTPS looks at no name of a caller, RPC asks for a role and a region (nomad/rpc.go:919; verified against Nomad 1.11.3)"
	for _, n := range t.Lab.Nodes() {
		if err := check(ctx, t, n, posture.Spec{
			ID: "https-accepts-certificate-without-name", Title: "HTTPS accepts a certificate without any name", Severity: posture.Low, Why: why,
			Probe: probe.HTTP("/v1/agent/self", user), Want: posture.Accepted(), Control: probe.HTTP("/v1/agent/self", probe.Anonymous(credential)),
		}); err != nil {
			return err
		}
	}
	for _, n := range t.Lab.Servers() {
		if err := check(ctx, t, n, posture.Spec{
			ID: "rpc-refuses-certificate-without-name", Title: "RPC refuses a certificate without any name", Severity: posture.High, Why: why,
			Probe: probe.RPC("Status.Leader", user), Want: posture.Want{probe.RefusedInHandshake}, LogText: wrongRoleLogged,
			Control: probe.RPC("Status.Leader", server),
		}); err != nil {
			return err
		}
	}
	return nil
}

// endWithAuthority compares what each agent serves, and what it says in its metrics, with the end of its authority.
func endWithAuthority(ctx context.Context, t *scenario.T) error {
	for _, n := range t.Lab.Nodes() {
		chain, pool, end, err := servedBy(ctx, t.Lab, n)
		if err != nil {
			return err
		}
		leaf := chain[0]
		if !leaf.NotAfter.After(end) {
			return fmt.Errorf("the certificate of %s ends at %s, and its authority at %s, not before", n.Name(), leaf.NotAfter, end)
		}
		verify := func(at time.Time) error {
			_, err := leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: at, DNSName: n.ServerName()})
			return err
		}
		if err := verify(end.Add(-time.Hour)); err != nil {
			return fmt.Errorf("verify the certificate of %s an hour before its authority ends: %w", n.Name(), err)
		}
		refused := verify(end.Add(time.Hour))
		if refused == nil {
			return fmt.Errorf("the certificate of %s is accepted an hour after its authority has ended", n.Name())
		}
		own, authority, err := gaugedLives(ctx, n)
		if err != nil {
			return err
		}
		t.Say("%s serves a certificate until %s. An hour after its authority's end: %v.\nIts metrics say %d days for the certificate, %d for the authority: watch both.",
			n.Name(), leaf.NotAfter.Format(time.DateOnly), refused, days(own), days(authority))
		for until, said := range map[time.Time]time.Duration{leaf.NotAfter: own, end: authority} {
			if off := time.Until(until) - said; off.Abs() > 24*time.Hour {
				return fmt.Errorf("the metrics of %s say that %s is in %d days", n.Name(), until.Format(time.DateOnly), days(said))
			}
		}
	}
	return nil
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

// servedBy returns the certificates that the agent's HTTPS port serves, the authorities that the lab's user trusts, and the end of
// the only one.
func servedBy(ctx context.Context, l *lab.Lab, n *lab.Node) (chain []*x509.Certificate, pool *x509.CertPool, end time.Time, err error) {
	credential := l.Credential()
	authorities, err := credential.Authorities()
	if err != nil {
		return nil, nil, time.Time{}, err
	}
	if len(authorities) != 1 {
		return nil, nil, time.Time{}, fmt.Errorf("the lab's user trusts %d authorities, want one", len(authorities))
	}
	if pool, err = credential.Pool(); err != nil {
		return nil, nil, time.Time{}, err
	}
	config, err := credential.ClientTLS(n.ServerName())
	if err != nil {
		return nil, nil, time.Time{}, err
	}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", n.HTTP().String())
	if err != nil {
		return nil, nil, time.Time{}, fmt.Errorf("read the certificate of %s: %w", n.Name(), err)
	}
	defer func() { _ = conn.Close() }()
	secured, ok := conn.(*tls.Conn)
	if !ok {
		return nil, nil, time.Time{}, fmt.Errorf("a connection of type %T to %s", conn, n.Name())
	}
	return secured.ConnectionState().PeerCertificates, pool, authorities[0].NotAfter, nil
}

// gaugedLives returns how long the agent's certificate and its authority last, as its metrics say (new in Nomad 1.11.3, nomad#27538).
func gaugedLives(ctx context.Context, n *lab.Node) (own, authority time.Duration, err error) {
	client, err := n.API()
	if err != nil {
		return 0, 0, err
	}
	err = poll.Until(ctx, n.Name()+" to say how long its certificates last", func(ctx context.Context) string {
		var metrics struct {
			Gauges []struct {
				Name  string
				Value float64
			}
		}
		if _, err := client.Raw().Query("/v1/metrics", &metrics, asking(ctx)); err != nil {
			return err.Error()
		}
		for _, g := range metrics.Gauges {
			switch life := time.Duration(g.Value) * time.Second; g.Name {
			case "nomad.agent.tls.cert.expiration_seconds":
				own = life
			case "nomad.agent.tls.ca.expiration_seconds":
				authority = life
			}
		}
		if own == 0 || authority == 0 {
			return fmt.Sprintf("%d metrics say %s for the certificate, %s for the authority", len(metrics.Gauges), own, authority)
		}
		return ""
	})
	return own, authority, err
}

// weakInGuide are the checks that must fail on the guide's cluster.
func weakInGuide() []string {
	return []string{"server-certificate-lives-at-most-13-months", "client-certificate-lives-at-most-13-months", "gossip-keys-have-32-bytes"}
}

// guideIsWeak runs these checks, and returns an error for each that does not fail.
func guideIsWeak(ctx context.Context, t *scenario.T) error {
	r, err := inspect.Lab(ctx, t.Lab, inspect.Options{Only: weakInGuide()})
	if err != nil {
		return err
	}
	var failed []string
	for _, f := range r.Findings {
		if f.Result == finding.Fail {
			failed = append(failed, f.ID)
			t.Say("%s at %s: %s", f.ID, f.Node, f.Reason)
		}
	}
	for _, id := range weakInGuide() {
		if !slices.Contains(failed, id) {
			return fmt.Errorf("%s does not fail: it would not notice what the guide leaves weak", id)
		}
	}
	return nil
}
