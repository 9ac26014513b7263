package rollout

import (
	"context"
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// EnableACL returns the rollout that switches ACLs on in a running cluster, as t.Spec says, and bootstraps them with that
// secret, a UUID which callers were given beforehand. An agent without ACLs ignores a token. The ACL system can be bootstrapped
// only once the leader has ACLs on ("ACL support disabled" before); until it is, an agent that has them on denies whatever it
// decides itself. So the leader is the last of the servers, the bootstrap follows its restart at once, and clients come after
// it. t.Await and t.Choose are not used.
func EnableACL(ctx context.Context, l *lab.Lab, t Target, secret string) (Plan, error) {
	leader, err := l.Leader(ctx, "")
	if err != nil {
		return Plan{}, err
	}
	t.Nodes = Order(Members(l), leader.Name())
	servers := t.Nodes[:len(l.Servers())]
	t.Choose = func(*lab.Node, []Line, bool) (Effect, string) {
		return Restart, "acl.enabled: a reload does not read it"
	}
	t.Await = func(n *lab.Node) []Await {
		switch {
		case n.Role() == pki.Client:
			return Settled(n)
		case n == leader:
			return nil
		default: // its own state is for callers with a token, which there is not yet
			return []Await{Healthy(n.Name()), LeaderKnown(n.Region()), Voter(n.Name())}
		}
	}
	p, err := Toward(ctx, l, t)
	if err != nil {
		return Plan{}, err
	}
	bootstrap := Step{
		Title: "bootstrap the ACL system with the secret that was agreed on", Effect: Nothing,
		Await:  []Await{Bootstrapped(secret)},
		Access: lab.Access{Token: &secret},
	}
	settled := Step{Title: "the servers settle", Effect: Nothing}
	for _, n := range servers {
		settled.Await = append(settled.Await, Settled(n)...)
	}
	at := len(servers)
	p.Steps = append(p.Steps[:at:at], append([]Step{bootstrap, settled}, p.Steps[at:]...)...)
	return p, nil
}

// Bootstrapped bootstraps the ACL system with that secret through any server, and waits until the secret is known.
func Bootstrapped(secret string) Await {
	return Await{What: "the ACL system is bootstrapped", Met: func(ctx context.Context, l *lab.Lab) error {
		var last error
		for _, n := range l.Servers() {
			c, err := n.APIWith("")
			if err != nil {
				return err
			}
			_, _, err = c.ACLTokens().BootstrapOpts(secret, new(api.WriteOptions).WithContext(ctx))
			if err == nil {
				return nil
			}
			last = fmt.Errorf("bootstrap the ACL system at %s: %w", n.Name(), err)
			if strings.Contains(err.Error(), "ACL bootstrap already done") { // the answer to an earlier try may have been lost
				known, err := n.APIWith(secret)
				if err != nil {
					return err
				}
				if _, _, err := known.ACLTokens().Self(new(api.QueryOptions).WithContext(ctx)); err == nil {
					return nil
				}
			}
		}
		return last
	}}
}
