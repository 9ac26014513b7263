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

// refusals is how often the cli agent must be seen refused: once could be a coincidence of its start.
const refusals = 2

// twins starts two client agents that differ in nothing but the role in their certificate.
func twins(ctx context.Context, t *scenario.T) error {
	cli, err := t.Lab.Node("twin-cli")
	if err != nil {
		return err
	}
	client, err := t.Lab.Node("twin-client")
	if err != nil {
		return err
	}
	marks, err := marksOf(t.Lab.Servers())
	if err != nil {
		return err
	}
	if err := cli.Start(ctx); err != nil {
		return err
	}
	var seen []string
	var admitted error
	err = poll.Until(ctx, fmt.Sprintf("the servers to refuse %s %d times", cli.Name(), refusals), func(ctx context.Context) string {
		known, err := registered(ctx, t.Lab)
		if err != nil {
			return err.Error()
		}
		if admitted = known.lacks(cli); admitted != nil {
			return "" // no refusal will come any more
		}
		if seen = refusedAt(marks, cli); len(seen) < refusals {
			return fmt.Sprintf("%d refusals in the servers' logs", len(seen))
		}
		return ""
	})
	if err := errors.Join(err, admitted); err != nil {
		return err
	}
	t.Say("%s was refused, as the servers say:\n%s", cli.Name(), strings.Join(seen[:refusals], "\n"))
	if err := client.Start(ctx); err != nil {
		return err
	}
	return twinJoins(ctx, t, client, cli)
}

// twinJoins waits for the right twin to be ready: the time that the wrong one had as well.
func twinJoins(ctx context.Context, t *scenario.T, right, wrong *lab.Node) error {
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
	if err := known.lacks(wrong); err != nil {
		return err
	}
	t.Say("%s is ready, %s is not registered", right.Name(), wrong.Name())
	return nil
}

// statuses are the status of each client that is registered, by name.
type statuses map[string]string

// registered asks the first server which clients there are.
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

// lacks is nil if the node is not registered.
func (s statuses) lacks(n *lab.Node) error {
	if status, there := s[n.Name()]; there {
		return fmt.Errorf("%s is registered, as %s: it was to be refused", n.Name(), status)
	}
	return nil
}

// refusedAt are the lines after the marks in which a server says that it refused a connection from the node for its role.
// Probes of this process look different to the servers, also where nodes share one address.
func refusedAt(marks map[*lab.Node]int64, n *lab.Node) []string {
	var out []string
	for s, mark := range marks {
		lines, err := s.Log().Since(mark)
		if err != nil {
			continue
		}
		for _, line := range lines {
			if strings.Contains(line, reasonRole) && strings.Contains(line, "remote_addr="+n.Origin().String()+":") {
				out = append(out, s.Name()+": "+strings.TrimSpace(line))
			}
		}
	}
	return out
}
