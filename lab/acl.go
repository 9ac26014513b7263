package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
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

// errNoACL is returned if the servers have the ACL system off, such as by an override.
var errNoACL = errors.New("the servers have ACLs off")

// bootstrapACL bootstraps the ACL system, writes the policies, and has introduction tokens made for the clients. Clients must
// not be started before: as long as the system is not bootstrapped, the certificate of any node is enough to get the
// management token (ACL.Bootstrap over RPC checks no role; verified against Nomad 1.11.3).
func (s *start) bootstrapACL(ctx context.Context) error {
	l := s.lab
	s.options.report(phaseACL, "bootstrapping the ACL system")
	err := l.inRegions(ctx, l.bootstrap)
	off := errors.Is(err, errNoACL)
	switch {
	case off:
		err = l.dropToken()
	case err == nil:
		err = l.writePolicies(ctx)
	}
	if err := errors.Join(err, l.introduce(ctx, s.secrets.introductions)); err != nil {
		return err
	}
	done := fmt.Sprintf("the ACL system is bootstrapped, %s introduced", counted(len(s.secrets.introductions), "client"))
	if off {
		done = "ACLs are off, though the lab was to be hardened: there is no token"
		if l.Plan().UserConfiguration {
			done = "the servers have no ACL system"
		}
	}
	s.options.reportDone(phaseACL, done)
	return nil
}

// bootstrap makes the management token known to a region. Every region is its own authority where authoritative_region is not
// set (command/agent/agent.go:213), so each is bootstrapped, and all with the same secret.
func (l *Lab) bootstrap(ctx context.Context, r region) error {
	var final error
	err := poll.Until(ctx, "the ACL system of region "+r.name+" to be bootstrapped", func(ctx context.Context) string {
		c, err := r.api()
		if err != nil {
			return oneLine(err)
		}
		_, _, err = c.ACLTokens().BootstrapOpts(l.ManagementToken(), write(ctx))
		switch {
		case err == nil:
			return ""
		case isRefusal(err, "ACL support disabled"):
			final = errNoACL
			return ""
		case isRefusal(err, "ACL bootstrap already done"):
			// The answer to an earlier try may have been lost. Otherwise another caller was faster.
			if _, _, known := c.ACLTokens().Self(new(api.QueryOptions).WithContext(ctx)); known != nil {
				final = fmt.Errorf("bootstrap the ACL system of region %s: %w", r.name, err)
			}
			return ""
		default:
			return oneLine(err)
		}
	})
	return errors.Join(err, final)
}

// isRefusal reports whether Nomad answered with that text: a later try would get the same answer.
func isRefusal(err error, text string) bool {
	answer, ok := errors.AsType[api.UnexpectedResponseError](err)
	return ok && answer.StatusCode() == http.StatusBadRequest && strings.Contains(answer.Body(), text)
}

// introduce has an introduction token made for each client that is to have one, and adds it to tokens by the name of the node.
// It needs a leader that has made its root key, which happens a tenth of a second after the election.
func (l *Lab) introduce(ctx context.Context, tokens map[string]string) error {
	var mu sync.Mutex
	return eachNode(l.nodes, func(n *Node) error {
		name := introducedName(*n.plan())
		if name == "" {
			return nil
		}
		return poll.Until(ctx, "an introduction token for "+n.Name(), func(ctx context.Context) string {
			c, err := l.region(n.Region()).api()
			if err != nil {
				return oneLine(err)
			}
			made, _, err := c.ACLIdentity().CreateClientIntroductionToken(&api.ACLIdentityClientIntroductionTokenRequest{
				TTL: introductionTTL, NodeName: name, NodePool: n.plan().NodePool,
			}, write(ctx))
			if err != nil {
				return oneLine(err)
			}
			mu.Lock()
			defer mu.Unlock()
			tokens[n.Name()] = made.JWT
			return ""
		})
	})
}

// introductionTTL is how long an introduction token is valid: the longest that Nomad has (nomad/structs/node.go:867). A client
// needs it until its first registration. An extra node that is started later than that is refused.
const introductionTTL = 30 * time.Minute

// introducedName returns the name of the client for which the node's introduction token is made; empty for a node without a
// token.
func introducedName(n plan.Node) string {
	if !slices.ContainsFunc(n.Files, func(f plan.File) bool { return f.Secret == plan.IntroToken }) {
		return ""
	}
	if n.Introduction == spec.OtherIntroduction {
		return "not-" + n.Name
	}
	return n.Name
}

const policySuffix = ".policy.hcl"

// policies returns the policies of every hardened lab.
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

// writePolicies writes the policies in every region. It makes no token that has one of them.
func (l *Lab) writePolicies(ctx context.Context) error {
	all, err := policies()
	if err != nil {
		return err
	}
	return l.inRegions(ctx, func(ctx context.Context, r region) error {
		return poll.Until(ctx, "the policies of region "+r.name+" to be written", func(ctx context.Context) string {
			c, err := r.api()
			for i := 0; i < len(all) && err == nil; i++ {
				_, err = c.ACLPolicies().Upsert(&all[i], write(ctx))
			}
			return oneLine(err)
		})
	})
}

// ManagementToken returns the secret of the management token, which Node.API presents. It is empty for a lab without ACLs, and
// for one whose ACL system is not bootstrapped. Until Up has returned, the servers may not know the token yet.
func (l *Lab) ManagementToken() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.token == nil {
		return ""
	}
	return *l.token
}

// makeToken chooses the management token and writes it down before the servers know it, so that a start which is cut short
// during the bootstrap cannot lose it.
func (l *Lab) makeToken() error {
	if p := l.Plan(); !p.Bootstrapped() {
		return nil
	}
	random, err := uuid.NewRandom()
	if err != nil {
		return fmt.Errorf("make the management token: %w", err)
	}
	l.setToken(new(random.String()))
	return l.folder.WriteToken(random.String())
}

// dropToken removes the token of a lab whose servers turn out to have no ACLs.
func (l *Lab) dropToken() error {
	l.setToken(nil)
	return l.folder.RemoveToken()
}

// setToken makes the API clients of all nodes present that token from now on.
func (l *Lab) setToken(secret *string) {
	l.mu.Lock()
	l.token = secret
	l.mu.Unlock()
	for _, n := range l.nodes {
		n.forgetAPI()
	}
}
