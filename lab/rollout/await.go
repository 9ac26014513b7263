package rollout

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// Healthy waits until the agent answers that it is healthy.
func Healthy(node string) Await {
	return Await{What: node + " is healthy", Met: func(ctx context.Context, l *lab.Lab) error {
		n, err := l.Node(node)
		if err != nil {
			return err
		}
		return n.Healthy(ctx)
	}}
}

// LeaderKnown waits until all running servers of the region name the same leader. The empty region is the lab's first.
func LeaderKnown(region string) Await {
	return Await{What: "all servers name one leader", Met: func(ctx context.Context, l *lab.Lab) error {
		_, err := l.Leader(ctx, region)
		return err
	}}
}

// Voter waits until the leader's autopilot says that the server votes and has kept up with the log: only then may the next
// server go. See `nomad operator autopilot health`.
func Voter(node string) Await {
	return Await{What: node + " votes and has kept up", Met: func(ctx context.Context, l *lab.Lab) error {
		n, err := l.Node(node)
		if err != nil {
			return err
		}
		leader, err := l.Leader(ctx, n.Region())
		if err != nil {
			return err
		}
		c, err := leader.API()
		if err != nil {
			return err
		}
		health, _, err := c.Operator().AutopilotServerHealth((&api.QueryOptions{Region: n.Region()}).WithContext(ctx))
		if err != nil {
			return fmt.Errorf("ask %s for the health of the servers: %w", leader.Name(), err)
		}
		for _, s := range health.Servers {
			if s.Address == n.Advertised().String() {
				return voterTrouble(s)
			}
		}
		return fmt.Errorf("the leader does not list %s", node)
	}}
}

func voterTrouble(s api.ServerHealth) error {
	switch {
	case !s.Voter:
		return fmt.Errorf("%s does not vote", s.Name)
	case !s.Healthy:
		return fmt.Errorf("%s is not healthy for the leader: serf %s, last index %d", s.Name, s.SerfStatus, s.LastIndex)
	default:
		return nil
	}
}

// InTouch waits until the servers of the node's region reach each other over connections of now: each gets an answer from the
// leader, and the leader has contacted each follower since the wait began. What servers know of each other without being asked, and
// what autopilot says, is seconds old: it does not show that a server refuses another one since its last reload.
func InTouch(node string) Await {
	var since time.Time
	return Await{What: "the servers reach each other anew", Met: func(ctx context.Context, l *lab.Lab) error {
		n, err := l.Node(node)
		if err != nil {
			return err
		}
		if since.IsZero() {
			since = time.Now()
		}
		for _, s := range l.Servers() {
			if s.Region() != n.Region() {
				continue
			}
			if err := inTouch(ctx, s, since); err != nil {
				return err
			}
		}
		since = time.Time{}
		return nil
	}}
}

// inTouch returns an error unless the server gets an answer from its leader, and was contacted by it since then.
func inTouch(ctx context.Context, s *lab.Node, since time.Time) error {
	c, err := s.API()
	if err != nil {
		return err
	}
	var leader string
	if _, err := c.Raw().Query("/v1/status/leader", &leader, new(api.QueryOptions).WithContext(ctx)); err != nil {
		return fmt.Errorf("%s asks its leader: %w", s.Name(), err)
	}
	self, err := selfOf(ctx, s)
	if err != nil {
		return err
	}
	return contactedSince(s.Name(), self, since)
}

// contactedSince returns an error unless the server leads, or was contacted by its leader since then, by its own word.
func contactedSince(name string, self api.AgentSelf, since time.Time) error {
	told := self.Stats["raft"]["last_contact"]
	if told == "0" { // it leads (hashicorp/raft, Stats)
		return nil
	}
	ago, err := time.ParseDuration(told)
	if err != nil {
		return fmt.Errorf("%s was last contacted by its leader: %s", name, told)
	}
	if waited := time.Since(since); ago >= waited {
		return fmt.Errorf("%s was last contacted by its leader %s ago, before the wait of %s began", name, ago, waited)
	}
	return nil
}

// ClientReady waits until the servers have the client as ready, and reach it.
func ClientReady(node string) Await {
	return Await{What: node + " is a ready client", Met: func(ctx context.Context, l *lab.Lab) error {
		n, err := l.Node(node)
		if err != nil {
			return err
		}
		return n.ClientReady(ctx)
	}}
}

// Serves waits until the agent presents that certificate at its HTTP port and, on a server, at its RPC port.
func Serves(node string, leaf *x509.Certificate) Await {
	return Await{What: fmt.Sprintf("%s serves the certificate %s", node, shortSerial(leaf)), Met: func(ctx context.Context, l *lab.Lab) error {
		n, err := l.Node(node)
		if err != nil {
			return err
		}
		looks := map[string]func(context.Context) (*x509.Certificate, error){"HTTP": n.Certificate}
		if n.Role() == pki.Server {
			looks["RPC"] = n.RPCCertificate
		}
		var errs []error
		for port, look := range looks {
			served, err := look(ctx)
			if err == nil && !served.Equal(leaf) {
				err = fmt.Errorf("%s of %s still serves %s", port, node, shortSerial(served))
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}}
}

// shortSerial returns the first digits of a certificate's serial number.
func shortSerial(c *x509.Certificate) string {
	const digits = 8
	text := fmt.Sprintf("%x", c.SerialNumber)
	return text[:min(digits, len(text))]
}

// LabReady waits until the whole lab is ready, as after a start.
func LabReady() Await {
	return Await{What: "the cluster is ready", Met: func(ctx context.Context, l *lab.Lab) error { return l.Ready(ctx) }}
}
