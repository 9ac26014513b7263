package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/scenario"
)

// The extra nodes: two client agents that differ only in the role of their certificate.
const (
	cliCertificate    = "cli-certificate"
	clientCertificate = "client-certificate"
)

const (
	// refusals is how often the servers must refuse the agent: once could be a coincidence of its start.
	refusals = 2
	// wrongRoleLogged is what a server logs when it refuses a certificate for its role (verified against Nomad 1.11.3).
	wrongRoleLogged = "invalid role or region for certificate"
)

// clientsOfBothRoles starts the agent with the cli certificate, waits until servers have refused it, and then starts the
// other one.
func clientsOfBothRoles(ctx context.Context, t *scenario.T) error {
	return clientIsRefused(ctx, t, cliCertificate, clientCertificate)
}

// clientIsRefused starts the client agent with the wrong certificate, waits until servers have refused it for its role, and then
// starts the control, which must join.
func clientIsRefused(ctx context.Context, t *scenario.T, wrong, control string) error {
	refused, err := t.Lab.Node(wrong)
	if err != nil {
		return err
	}
	client, err := t.Lab.Node(control)
	if err != nil {
		return err
	}
	marks, err := marksOf(t.Lab.Servers())
	if err != nil {
		return err
	}
	if err := refused.Start(ctx); err != nil {
		return err
	}
	var seen []string
	admitted := func(ctx context.Context) (string, error) {
		known, err := registered(ctx, t.Lab)
		return known.with(refused), err
	}
	err = awaitUnless(ctx, fmt.Sprintf("the servers to refuse %s %d times", refused.Name(), refusals), admitted, func() string {
		if seen = refusedAt(marks, refused); len(seen) < refusals {
			return fmt.Sprintf("%d refusals in the servers' logs", len(seen))
		}
		return ""
	})
	if err != nil {
		return err
	}
	t.Say("%s was refused, as the servers say:\n%s", refused.Name(), strings.Join(seen[:refusals], "\n"))
	if err := client.Start(ctx); err != nil {
		return err
	}
	return joinsAlone(ctx, t, client, refused)
}

// joinsAlone waits until the right client is ready, and returns an error if the wrong one, which had that time as well, is
// registered.
func joinsAlone(ctx context.Context, t *scenario.T, right, wrong *lab.Node) error {
	var known statuses
	err := poll.Until(ctx, right.Name()+" to be ready", func(ctx context.Context) string {
		var err error
		if known, err = registered(ctx, t.Lab); err != nil {
			return err.Error()
		}
		if known[right.Name()] != "ready" {
			return fmt.Sprintf("registered are %v", known)
		}
		return ""
	})
	if err != nil {
		return err
	}
	if found := known.with(wrong); found != "" {
		return errors.New(found)
	}
	t.Say("%s is ready, %s is not registered", right.Name(), wrong.Name())
	return nil
}

// statuses is the status of each registered client, by name.
type statuses map[string]string

// registered asks the first server for its clients.
func registered(ctx context.Context, l *lab.Lab) (statuses, error) {
	client, err := l.Servers()[0].API()
	if err != nil {
		return nil, err
	}
	nodes, _, err := client.Nodes().List(asking(ctx))
	if err != nil {
		return nil, fmt.Errorf("ask for the clients: %w", err)
	}
	known := statuses{}
	for _, n := range nodes {
		known[n.Name] = n.Status
	}
	return known, nil
}

// with says that the node is registered, or returns "".
func (s statuses) with(n *lab.Node) string {
	if status, there := s[n.Name()]; there {
		return fmt.Sprintf("%s is registered, as %s: it must be refused", n.Name(), status)
	}
	return ""
}

// refusedAt returns the servers' log lines after the marks that say that the node was refused for its role. The node's
// address distinguishes it from the probes of this process.
func refusedAt(marks map[*lab.Node]int64, n *lab.Node) (lines []string) {
	for s, mark := range marks {
		lines = append(lines, linesSince(s, mark, wrongRoleLogged, "remote_addr="+n.Origin().String()+":")...)
	}
	return lines
}
