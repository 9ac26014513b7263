package scenarios

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/authority/vault"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// vaultNode is the name of the Vault server in findings.
const vaultNode = "vault"

// vaultLab is a lab whose agents get their certificates from Vault, small because what is proved is Vault's.
func vaultLab(asPublished bool) spec.Spec {
	return spec.Spec{
		Authority: spec.Authority{Source: spec.VaultSource, AsPublished: asPublished},
		Regions:   []spec.Region{{Servers: new(1), Clients: new(1)}},
	}
}

// vaultIsHere returns an error if Vault or consul-template would have to be built first: that takes up to a quarter of an hour.
func vaultIsHere(ctx context.Context) error {
	for _, part := range []image.Part{image.Vault, image.ConsulTemplate} {
		here, err := image.Cached(ctx, "", image.Request{Part: part})
		if err != nil {
			return err
		}
		if !here {
			return fmt.Errorf("%s is not on this machine: `nomadlab image --part %s` gets it", part.Title(), part.Name())
		}
	}
	return nil
}

// vaultDenies proves what a node's token is denied in a safe Vault.
func vaultDenies() scenario.Scenario {
	return scenario.Scenario{
		Name:  "vault-gives-a-node-its-own-name-alone",
		Claim: "With its token for Vault a node gets a certificate in its own name and nothing else, and serves it with its chain.",
		Spec:  vaultLab(false),
		Able:  vaultIsHere,
		Steps: func() []scenario.Step {
			return []scenario.Step{
				{Title: "Each other call with a node's token is denied; a caller who may do it can", Do: vaultDenials},
				{Title: "The root's certificate is public, and the agents trust it alone", Do: rootIsPublic},
				{Title: "A caller who trusts the root alone verifies each agent", Do: servesChain},
			}
		},
	}
}

// vaultGuide proves what the role and the templates of HashiCorp's guide let through.
func vaultGuide() scenario.Scenario {
	return scenario.Scenario{
		Name:  "a-guides-role-lets-a-client-pose-as-a-server",
		Claim: "In the published guide any node's token gets a certificate in a server's name, for as long as it likes, and the agents serve no chain.",
		Spec:  vaultLab(true),
		Able:  vaultIsHere,
		Steps: func() []scenario.Step {
			return []scenario.Step{
				{Title: "A client's token gets a certificate in a server's name, and Raft accepts its holder", Do: poseAsServer},
				{Title: "A client's token gets a certificate that outlives max_ttl of the role", Do: outliveRole},
				{Title: "A caller who trusts the root alone refuses each agent, and one who trusts the intermediate accepts it", Do: servesNoChain},
			}
		},
	}
}

// vaultDenials records a finding for each call that must be denied.
func vaultDenials(ctx context.Context, t *scenario.T) error {
	v, err := t.Lab.Vault(ctx)
	if err != nil {
		return err
	}
	denials, err := v.Denials(ctx)
	if err != nil {
		return err
	}
	found := make([]finding.Finding, 0, len(denials))
	for _, d := range denials {
		found = append(found, ofDenial(d))
	}
	return t.Record(found...)
}

// ofDenial returns the finding that a denial amounts to.
func ofDenial(d vault.Denial) finding.Finding {
	f := finding.Finding{
		ID: "vault-denies-to-" + strings.NewReplacer(" ", "-", "'", "").Replace(d.Name), Title: fmt.Sprintf("Vault denies a %s to %s", d.Caller, d.Name), Plane: string(probe.PlaneHTTP),
		Severity: string(posture.High), Node: vaultNode, Control: d.ControlCall, Want: []string{string(probe.Denied)}, Outcome: word(d.Outcome), Why: d.Why,
		Result: finding.Inconclusive, Reason: "the control failed: " + d.Control.Said,
		Evidence: []finding.Evidence{
			{Part: finding.Probe, Did: fmt.Sprintf("%s /v1/%s with the token of a %s", d.Method, d.Path, d.Caller), Outcome: word(d.Outcome), Received: d.Outcome.Said},
			{Part: finding.ControlAfter, Did: d.ControlCall, Outcome: word(d.Control), Received: d.Control.Said},
		},
	}
	switch {
	case d.Outcome.Accepted:
		f.Result, f.Reason = finding.Fail, d.Outcome.Said
	case d.Passed():
		f.Result, f.Reason = finding.Pass, d.Outcome.Said
	}
	return f
}

// word returns the outcome of a call of Vault as those of probes are called.
func word(o vault.Outcome) string {
	switch {
	case o.Accepted:
		return string(probe.Accepted)
	case o.Denied:
		return string(probe.Denied)
	default:
		return string(probe.Failed)
	}
}

// rootIsPublic reads the root's certificate without a token.
func rootIsPublic(ctx context.Context, t *scenario.T) error {
	v, err := t.Lab.Vault(ctx)
	if err != nil {
		return err
	}
	public, err := v.Client().Fetch(ctx, "pki/ca/pem")
	if err != nil {
		return err
	}
	if !bytes.Equal(bytes.TrimSpace(public), bytes.TrimSpace(v.RootPEM())) {
		return errors.New("what everybody can read at pki/ca/pem is not the root's certificate")
	}
	if trusted := t.Lab.Credential().CAPEM; !bytes.Equal(bytes.TrimSpace(trusted), bytes.TrimSpace(public)) {
		return errors.New("the lab's user trusts another authority than the root")
	}
	if bytes.Contains(public, []byte("PRIVATE KEY")) {
		return errors.New("pki/ca/pem has a private key")
	}
	t.Say("GET /v1/pki/ca/pem without a token: the root's certificate, as every agent holds it. It is no secret.")
	return nil
}

// verifying dials the agent's HTTPS port as a caller who trusts that bundle alone.
func verifying(ctx context.Context, l *lab.Lab, n *lab.Node, trust []byte) error {
	credential := l.Credential()
	credential.CAPEM = trust
	config, err := credential.ClientTLS(n.ServerName())
	if err != nil {
		return err
	}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", n.HTTP().String())
	if err != nil {
		return fmt.Errorf("dial %s: %w", n.Name(), err)
	}
	return conn.Close()
}

func servesChain(ctx context.Context, t *scenario.T) error {
	v, err := t.Lab.Vault(ctx)
	if err != nil {
		return err
	}
	foreign, err := pki.NewAuthority(pki.Options{CommonName: "not of this lab"})
	if err != nil {
		return err
	}
	for _, n := range t.Lab.Nodes() {
		if err := verifying(ctx, t.Lab, n, v.RootPEM()); err != nil {
			return err
		}
		if err := notVerifying(ctx, t.Lab, n, foreign.CertificatePEM()); err != nil {
			return err
		}
		t.Say("%s serves its chain: the root verifies it, another authority does not.", n.Name())
	}
	return nil
}

func servesNoChain(ctx context.Context, t *scenario.T) error {
	v, err := t.Lab.Vault(ctx)
	if err != nil {
		return err
	}
	for _, n := range t.Lab.Nodes() {
		if err := notVerifying(ctx, t.Lab, n, v.RootPEM()); err != nil {
			return err
		}
		if err := verifying(ctx, t.Lab, n, v.IntermediatePEM()); err != nil {
			return err
		}
		t.Say("%s serves no chain: the intermediate verifies it, the root alone does not.", n.Name())
	}
	return nil
}

// notVerifying returns an error unless a caller who trusts that bundle alone refuses the agent's certificate.
func notVerifying(ctx context.Context, l *lab.Lab, n *lab.Node, trust []byte) error {
	err := verifying(ctx, l, n, trust)
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
		return fmt.Errorf("%s is verified by an authority to which its certificate should not lead", n.Name())
	case !errors.As(err, &unknown):
		return err
	default:
		return nil
	}
}

// clientsToken returns the client's name for Vault, a server's, and a token as the client has it.
func clientsToken(ctx context.Context, t *scenario.T) (v *vault.Authority, token vault.Secret, client, server pki.Identity, err error) {
	client, server = pki.Identity{Role: pki.Client}, pki.Identity{Role: pki.Server}
	if v, err = t.Lab.Vault(ctx); err == nil {
		token, err = v.Token(ctx, client)
	}
	return v, token, client, server, err
}

// poseAsServer shows the harm of one role for all. The control is the client's own certificate, got with the same token.
func poseAsServer(ctx context.Context, t *scenario.T) error {
	v, token, client, server, err := clientsToken(ctx, t)
	if err != nil {
		return err
	}
	own, err := v.IssueWith(ctx, token, client, client, time.Time{})
	if err != nil {
		return err
	}
	posing, err := v.IssueWith(ctx, token, client, server, time.Time{})
	if err != nil {
		return err
	}
	return check(ctx, t, t.Lab.Servers()[0], posture.Spec{
		ID: "raft-accepts-a-client-that-poses-as-a-server", Title: "Raft accepts a server's certificate that a client's token got", Severity: posture.Critical,
		Why:   "The guide's only role allows every name below the region's domain, and Nomad takes the role from the name (nomad/server.go:634).",
		Probe: probe.Raft(probe.As(posing).WithLabel("a client, with the server's certificate that its token got")), Want: posture.Accepted(),
		Control: probe.Raft(probe.As(own).WithLabel("the same client, with its own certificate")),
	})
}

// outliveRole asks for an end beyond the role's max_ttl. The control asks for the same by the life, which Vault cuts.
func outliveRole(ctx context.Context, t *scenario.T) error {
	v, token, client, _, err := clientsToken(ctx, t)
	if err != nil {
		return err
	}
	usual, err := v.IssueWith(ctx, token, client, client, time.Time{})
	if err != nil {
		return err
	}
	ends, err := usual.NotAfter()
	if err != nil {
		return err
	}
	asked := ends.Add(365 * 24 * time.Hour)
	long, err := v.IssueWith(ctx, token, client, client, asked)
	if err != nil {
		return err
	}
	got, err := long.NotAfter()
	if err != nil {
		return err
	}
	if got.Before(ends.Add(24 * time.Hour)) {
		return fmt.Errorf("a certificate until %s was asked for, and one until %s given", asked, got)
	}
	t.Say("The role's max_ttl gives certificates until %s. With not_after the same token got one until %s.",
		ends.Format(time.DateTime), got.Format(time.DateTime))
	return nil
}
