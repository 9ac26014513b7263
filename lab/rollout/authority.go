package rollout

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// Succession is a change of the authority that signs a lab's certificates.
type Succession struct {
	// Old is the authority that the lab has.
	Old *pki.Authority
	New *pki.Authority
	// CLI is the credential of the lab's own calls by the old authority, NewCLI that by the new one.
	CLI, NewCLI pki.Credential
	// Credentials are the nodes' by the new authority, by name.
	Credentials map[string]pki.Credential
}

// Succeed issues what a change to the authority needs. It returns an error that wraps ErrNoFiles if the key of the lab's
// authority is not at hand.
func Succeed(l *lab.Lab, next *pki.Authority) (Succession, error) {
	s := Succession{Old: l.Authority(), New: next, CLI: l.Credential()}
	if s.Old == nil {
		return Succession{}, fmt.Errorf("the key of the lab's authority is not at hand: %w", ErrNoFiles)
	}
	var err error
	if s.NewCLI, err = next.Issue(l.Credential().Identity); err != nil {
		return Succession{}, fmt.Errorf("issue a certificate of the new authority for the cli: %w", err)
	}
	s.Credentials, err = Issue(next, Members(l))
	return s, err
}

// both returns the bundle of the old and the new authority.
func (s Succession) both() []byte {
	return slices.Concat(s.Old.TrustPEM(), []byte("\n"), s.New.TrustPEM())
}

// ReplaceAuthority returns the rollout that changes the authority in three rounds over all nodes, each by reloads: everybody trusts
// both authorities; everybody has a certificate of the new one; nobody trusts the old one. The lab's own calls change between
// the rounds.
func ReplaceAuthority(nodes []*lab.Node, s Succession) (Plan, error) {
	p := Plan{Title: "replace the certificate authority"}
	trusting := s.CLI
	trusting.CAPEM = s.both()
	next := s.NewCLI
	next.CAPEM = s.both()
	old, err := s.Old.WithTrust(s.both())
	if err != nil {
		return Plan{}, err
	}
	issuing, err := s.New.WithTrust(s.both())
	if err != nil {
		return Plan{}, err
	}
	p.Steps = append(p.Steps, Step{
		Title: "the lab's own calls trust both authorities", Effect: Nothing, Access: lab.Access{CLI: &trusting, Authority: old},
	})
	if err := p.trust(nodes, s.both(), "trust both authorities", Accepts, next); err != nil {
		return Plan{}, err
	}
	p.Steps = append(p.Steps, Step{
		Title: "the lab's own calls present a certificate of the new authority", Effect: Nothing, Access: lab.Access{CLI: &next, Authority: issuing},
	})
	leaves, err := Renew(nodes, s.Credentials)
	if err != nil {
		return Plan{}, err
	}
	for i := range leaves.Steps {
		leaves.Steps[i].Title = "take a certificate of the new authority"
	}
	p.Steps = append(p.Steps, leaves.Steps...)
	if err := p.trust(nodes, s.New.TrustPEM(), "trust the new authority alone", Refuses, s.CLI); err != nil {
		return Plan{}, err
	}
	p.Steps = append(p.Steps, Step{
		Title: "the lab's own calls trust the new authority alone", Effect: Nothing, Access: lab.Access{CLI: &s.NewCLI, Authority: s.New},
	})
	return p, nil
}

// trust appends a step for each node that replaces its CA bundle. The step waits until the node treats the caller as shown.
func (p *Plan) trust(nodes []*lab.Node, bundle []byte, title string, shown func(string, pki.Credential) Await, caller pki.Credential) error {
	for _, n := range nodes {
		m, err := materialOf(n)
		if err != nil {
			return err
		}
		p.Steps = append(p.Steps, Step{
			Node: n.Name(), Title: title, Effect: Reload, Why: "a reload reads new content of the CA bundle at the same path",
			Files: []File{m.newCA(bundle)},
			Await: append([]Await{shown(n.Name(), caller)}, Settled(n)...),
		})
	}
	return nil
}

// Accepts waits until the agent's HTTP port answers a caller with that credential. It shows nothing of an agent that does not
// verify its callers' certificates.
func Accepts(node string, caller pki.Credential) Await {
	return Await{What: node + " accepts a certificate of the new authority", Met: func(ctx context.Context, l *lab.Lab) error {
		return callWith(ctx, l, node, caller)
	}}
}

// Refuses waits until the agent's HTTP port refuses a caller with that credential in or after the TLS handshake.
func Refuses(node string, caller pki.Credential) Await {
	return Await{What: node + " refuses a certificate of the old authority", Met: func(ctx context.Context, l *lab.Lab) error {
		err := callWith(ctx, l, node, caller)
		alert, is := errors.AsType[*net.OpError](err)
		switch {
		case err == nil:
			return fmt.Errorf("%s still accepts it", node)
		case is && alert.Op == "remote error": // as crypto/tls names an alert of the other side
			return nil
		default:
			return err
		}
	}}
}

// answerTimeout is how long an agent has to answer one call; see deadline.Fair.
const answerTimeout = 2 * time.Second

// callWith asks the agent whether it is healthy, with that credential, over a connection of its own.
func callWith(ctx context.Context, l *lab.Lab, node string, caller pki.Credential) error {
	n, err := l.Node(node)
	if err != nil {
		return err
	}
	// What the caller trusts is not the question.
	caller.CAPEM = l.Credential().CAPEM
	config, err := caller.ClientTLS(n.ServerName())
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	ctx, cancel := deadline.Fair(ctx, answerTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.Plan().HTTPScheme()+"://"+n.HTTP().String()+"/v1/agent/health", nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", node, err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", node, err)
	}
	return response.Body.Close()
}
