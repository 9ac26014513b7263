package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/fixtures"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/spec"
)

// errNoACL is what a server says of ACLs that are off, such as by a setting that the user has changed.
var errNoACL = errors.New("the servers have ACLs off")

// establish bootstraps the ACL system, writes the policies, and has introduction tokens made for the clients. Clients are
// kept away until then: of a system that is not bootstrapped, any certificate of a node gets the management token
// (ACL.Bootstrap over RPC asks for no role; verified against Nomad 1.11.3).
func (l *Lab) establish(ctx context.Context, s secrets, o UpOptions) error {
	o.tell(Event{Stage: PhaseACL, Text: "bootstrapping the ACL system"})
	err := l.eachRegion(ctx, l.bootstrap)
	off := errors.Is(err, errNoACL)
	switch {
	case off:
		err = l.dropToken()
	case err == nil:
		err = l.writePolicies(ctx)
	}
	if err := errors.Join(err, l.introduce(ctx, s)); err != nil {
		return err
	}
	done := fmt.Sprintf("the ACL system is bootstrapped, %s introduced", counted(len(s.introductions), "client"))
	if off {
		done = "ACLs are off, though the lab was to be hardened: there is no token"
		if l.record.Plan.Configured {
			done = "the servers have no ACL system"
		}
	}
	o.tell(Event{Stage: PhaseACL, Text: done, Done: true})
	return nil
}

// bootstrap makes the management token known to a region. Each is its own authority, as Nomad has it where
// authoritative_region is not set (command/agent/agent.go:213), so each is bootstrapped, and all with one secret.
func (l *Lab) bootstrap(ctx context.Context, region string) error {
	var final error
	err := poll.Until(ctx, "the ACL system of region "+region+" to be bootstrapped", func(ctx context.Context) string {
		c, err := l.ask(region)
		if err != nil {
			return text(err)
		}
		_, _, err = c.ACLTokens().BootstrapOpts(l.ManagementToken(), write(ctx))
		switch {
		case err == nil:
			return ""
		case isRefusal(err, "ACL support disabled"):
			final = errNoACL
			return ""
		case isRefusal(err, "ACL bootstrap already done"):
			// The answer to an earlier try may have been lost. Else somebody else was faster.
			if _, _, known := c.ACLTokens().Self(new(api.QueryOptions).WithContext(ctx)); known != nil {
				final = fmt.Errorf("bootstrap the ACL system of region %s: %w", region, err)
			}
			return ""
		default:
			return text(err)
		}
	})
	return errors.Join(err, final)
}

// isRefusal is true for an answer of Nomad's with that text: no later try would be answered otherwise.
func isRefusal(err error, says string) bool {
	answer, ok := errors.AsType[api.UnexpectedResponseError](err)
	return ok && answer.StatusCode() == http.StatusBadRequest && strings.Contains(answer.Body(), says)
}

// introduce has a token made for each client that is to have one, for its name alone. It needs a leader that has made its
// root key, which comes a tenth of a second after the election.
func (l *Lab) introduce(ctx context.Context, s secrets) error {
	var mu sync.Mutex
	return eachNode(l.nodes, func(n *Node) error {
		name := n.introducedAs()
		if name == "" {
			return nil
		}
		return poll.Until(ctx, "an introduction token for "+n.Name(), func(ctx context.Context) string {
			c, err := l.ask(n.Region())
			if err != nil {
				return text(err)
			}
			made, _, err := c.ACLIdentity().CreateClientIntroductionToken(&api.ACLIdentityClientIntroductionTokenRequest{
				TTL: introducedFor, NodeName: name, NodePool: n.plan.NodePool,
			}, write(ctx))
			if err != nil {
				return text(err)
			}
			mu.Lock()
			defer mu.Unlock()
			s.introductions[n.Name()] = made.JWT
			return ""
		})
	})
}

// introducedFor is how long an introduction token is good for: the longest that Nomad has (nomad/structs/node.go:867). A
// client needs it until it has registered for the first time. An extra node that is started later is not let in.
const introducedFor = 30 * time.Minute

// introducedAs is the name of the client that the node's introduction token speaks of. Empty for a node that has no token.
func (n *Node) introducedAs() string {
	if !slices.ContainsFunc(n.plan.Files, func(f plan.File) bool { return f.Secret == plan.IntroToken }) {
		return ""
	}
	if n.plan.Introduction == spec.OtherIntroduction {
		return "not-" + n.Name()
	}
	return n.Name()
}

const policySuffix = ".policy.hcl"

// policies are those that every hardened lab knows.
func policies() ([]api.ACLPolicy, error) {
	entries, err := fs.ReadDir(fixtures.Policies, "policies")
	if err != nil {
		return nil, fmt.Errorf("list the policies: %w", err)
	}
	var out []api.ACLPolicy
	for _, e := range entries {
		rules, err := fs.ReadFile(fixtures.Policies, "policies/"+e.Name())
		if err != nil {
			return nil, fmt.Errorf("read a policy: %w", err)
		}
		description, _, _ := strings.Cut(string(rules), "\n")
		out = append(out, api.ACLPolicy{
			Name:        strings.TrimSuffix(e.Name(), policySuffix),
			Description: strings.TrimPrefix(description, "# "),
			Rules:       string(rules),
		})
	}
	return out, nil
}

// writePolicies makes the policies known in every region. No token has one of them until somebody makes it.
func (l *Lab) writePolicies(ctx context.Context) error {
	all, err := policies()
	if err != nil {
		return err
	}
	return l.eachRegion(ctx, func(ctx context.Context, region string) error {
		return poll.Until(ctx, "the policies of region "+region+" to be written", func(ctx context.Context) string {
			c, err := l.ask(region)
			for i := 0; i < len(all) && err == nil; i++ {
				_, err = c.ACLPolicies().Upsert(&all[i], write(ctx))
			}
			return text(err)
		})
	})
}

// ManagementToken is the secret of the token that may do everything in the lab; Node.API presents it. Empty for a lab
// without ACLs, and for one whose ACL system nobody has bootstrapped for it. While Up has not returned, the lab may not
// know the token yet.
func (l *Lab) ManagementToken() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == nil {
		return ""
	}
	return *l.token
}

// makeToken chooses the management token before the lab knows it, and writes it down: a start that is cut short in the
// middle of the bootstrap has not lost it.
func (l *Lab) makeToken() error {
	if !l.record.Plan.Bootstrapped() {
		return nil
	}
	random, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("make the management token: %w", err)
	}
	secret := random.String()
	if err := os.WriteFile(l.folder.ManagementTokenFile(), []byte(secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the management token: %w", err)
	}
	l.setToken(&secret)
	return nil
}

// loadToken reads what makeToken wrote. A lab need not have it.
func (l *Lab) loadToken() error {
	text, err := os.ReadFile(l.folder.ManagementTokenFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w: `nomadlab down %s` still removes the lab", spec.ErrDamaged, err, l.Name())
	}
	secret := strings.TrimSpace(string(text))
	l.setToken(&secret)
	return nil
}

// dropToken is for a lab that turns out to have no ACLs.
func (l *Lab) dropToken() error {
	l.setToken(nil)
	if err := os.Remove(l.folder.ManagementTokenFile()); err != nil {
		return fmt.Errorf("remove the management token: %w", err)
	}
	return nil
}

// setToken has every node ask with that token from now on.
func (l *Lab) setToken(secret *string) {
	l.mu.Lock()
	l.token = secret
	l.mu.Unlock()
	for _, n := range l.nodes {
		n.forgetAPI()
	}
}
