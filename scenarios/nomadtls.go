package scenarios

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/nomadcli"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// ownDomain is the domain of the cluster's own, where users reach it.
const ownDomain = "nomad.example.net"

// The extra nodes: two of each role, which differ only in the domain of the role's name in their certificate.
const (
	ownDomainClient = "own-domain-client"
	ownDomainServer = "own-domain-server"
	inNomadClient   = "in-nomad-client"
	inNomadServer   = "in-nomad-server"
)

// domainOfTheirOwn proves which of the certificates that `nomad tls` makes for a domain Nomad itself accepts. A widely read guide
// has the others. They worked up to Nomad 1.10.2, whose CLI added server.global.nomad to them (nomad#26086).
func domainOfTheirOwn() scenario.Scenario {
	extra := func(name string, role pki.Role, domain string) spec.ExtraNode {
		return spec.ExtraNode{Name: name, Role: role, CertificateDomain: domain}
	}
	return scenario.Scenario{
		Name:  "certificates-stay-in-the-domain-nomad",
		Claim: "A domain of the cluster's own belongs among the further names of its certificates: Nomad refuses those that `nomad tls cert create -domain` makes.",
		Spec: spec.Spec{
			Authority: spec.Authority{
				Source: spec.NomadSource, Domain: ownDomain, AdditionalDomains: []string{ownDomain}, NameConstraint: true,
			},
			Certificates: spec.Certificates{DNSNames: []string{ownDomain}},
			ExtraNodes: []spec.ExtraNode{
				extra(ownDomainClient, pki.Client, ownDomain), extra(inNomadClient, pki.Client, ""),
				extra(ownDomainServer, pki.Server, ownDomain), extra(inNomadServer, pki.Server, ""),
			},
		},
		Steps: func() []scenario.Step {
			return []scenario.Step{
				{Title: "Servers whose certificates stay in nomad answer to the cluster's own domain too", Do: answerToOwnDomain},
				{
					Title: "A client with a certificate of that domain is refused, one whose certificate stays in nomad joins",
					Do: func(ctx context.Context, t *scenario.T) error {
						return clientIsRefused(ctx, t, ownDomainClient, inNomadClient)
					},
				},
				{Title: "A server with a certificate of that domain is trusted by none and learns no leader; one whose certificate stays in nomad does", Do: serverOfOwnDomain},
			}
		},
	}
}

// answerToOwnDomain verifies the certificate of each server for both names, and for one that it does not have.
func answerToOwnDomain(ctx context.Context, t *scenario.T) error {
	guide := nomadcli.Options{Domain: ownDomain, AdditionalDomains: []string{ownDomain}, NameConstraint: true}
	safe, server := guide, authority.Request{Identity: pki.Identity{Role: pki.Server, DNSNames: []string{ownDomain}}}
	guide.CertificateDomain = ownDomain
	t.Say("The guide's commands:\n%s\nThe lab's servers have, in the domain nomad:\n%s",
		strings.Join(guide.Commands(server), "\n"), safe.Commands(server)[1])
	const other = "nomad.example.org"
	for _, n := range t.Lab.Servers() {
		for name, has := range map[string]bool{n.ServerName(): true, ownDomain: true, other: false} {
			err := verifiedFor(ctx, t.Lab, n, name)
			var another x509.HostnameError
			switch {
			case has && err != nil:
				return fmt.Errorf("verify %s for %s: %w", n.Name(), name, err)
			case !has && err == nil:
				return fmt.Errorf("%s has a certificate for %s: verification means nothing", n.Name(), name)
			case !has && !errors.As(err, &another):
				return fmt.Errorf("verify %s for %s: %w", n.Name(), name, err)
			}
		}
		t.Say("%s answers to %s and %s, and not to %s", n.Name(), n.ServerName(), ownDomain, other)
	}
	return nil
}

// verifiedFor calls the node's HTTPS port and verifies its certificate for that name.
func verifiedFor(ctx context.Context, l *lab.Lab, n *lab.Node, name string) error {
	config, err := l.Credential().ClientTLS(name)
	if err != nil {
		return err
	}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", n.HTTP().String())
	if err != nil {
		return err
	}
	return conn.Close()
}

// serverOfOwnDomain starts the server with the certificate of the domain and waits until the leader, which has added it by gossip,
// has logged why it cannot call it. It then starts the control, which must learn who leads; the other one, which had that time as
// well, must not.
func serverOfOwnDomain(ctx context.Context, t *scenario.T) error {
	wrong, err := t.Lab.Node(ownDomainServer)
	if err != nil {
		return err
	}
	control, err := t.Lab.Node(inNomadServer)
	if err != nil {
		return err
	}
	// The question itself works: a server of the lab answers it.
	if leader, err := leaderKnownTo(ctx, t.Lab, t.Lab.Servers()[0]); err != nil {
		return err
	} else if leader == "" {
		return fmt.Errorf("%s knows no leader", t.Lab.Servers()[0].Name())
	}
	marks, err := marksOf(t.Lab.Servers())
	if err != nil {
		return err
	}
	if err := wrong.Start(ctx); err != nil {
		return err
	}
	var refused string
	accepted := func(ctx context.Context) (string, error) {
		leader, err := leaderKnownTo(ctx, t.Lab, wrong)
		return knows(wrong, leader), err
	}
	err = awaitUnless(ctx, "a server to say why it does not trust "+wrong.Name(), accepted, func() string {
		for n, mark := range marks {
			refused = cmp.Or(refused, sinceMark(n, mark, "certificate is valid for "+ownDomain, "not server.global.nomad"))
		}
		if refused == "" {
			return "none does"
		}
		return ""
	})
	if err != nil {
		return err
	}
	t.Say("%s is a member by gossip, and the leader does not trust it:\n%s", wrong.Name(), refused)
	if err := control.Start(ctx); err != nil {
		return err
	}
	return learnsLeaderAlone(ctx, t, control, wrong)
}

// learnsLeaderAlone waits until the right server knows the leader, and returns an error if the wrong one, which had that time as
// well, knows it.
func learnsLeaderAlone(ctx context.Context, t *scenario.T, right, wrong *lab.Node) error {
	var leader string
	if err := poll.Until(ctx, right.Name()+" to learn who leads", func(ctx context.Context) string {
		var err error
		if leader, err = leaderKnownTo(ctx, t.Lab, right); err != nil {
			return err.Error()
		}
		if leader == "" {
			return "it knows no leader"
		}
		return ""
	}); err != nil {
		return err
	}
	without, err := leaderKnownTo(ctx, t.Lab, wrong)
	if err != nil {
		return err
	}
	if found := knows(wrong, without); found != "" {
		return errors.New(found)
	}
	t.Say("%s knows that %s leads, %s knows no leader", right.Name(), leader, wrong.Name())
	return nil
}

// knows says that the server knows the leader, or returns "".
func knows(n *lab.Node, leader string) string {
	if leader == "" {
		return ""
	}
	return fmt.Sprintf("%s knows that %s leads: it must be refused", n.Name(), leader)
}

// leaderKnownTo asks a server that answers to the cluster's own domain whom it knows as the leader; "" if none. A server that is not
// yet listening, or whose configuration has no peers, knows none.
func leaderKnownTo(ctx context.Context, l *lab.Lab, n *lab.Node) (string, error) {
	config, err := l.Credential().ClientTLS(ownDomain)
	if err != nil {
		return "", err
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+n.HTTP().String()+"/v1/status/leader?stale", http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", fmt.Errorf("ask %s who leads: %w", n.Name(), err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", nil // such as "No cluster leader"
	}
	var leader string
	if err := json.NewDecoder(response.Body).Decode(&leader); err != nil {
		return "", fmt.Errorf("read who leads from %s: %w", n.Name(), err)
	}
	return leader, nil
}
