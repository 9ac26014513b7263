package scenarios

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"
	"golang.org/x/sync/errgroup"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/load"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
)

// expired shows what becomes of a running cluster whose certificates expire, and proves that it comes back without losing state.
func expired() scenario.Scenario {
	return scenario.Scenario{
		Name:  "certificates-expire-on-a-running-cluster",
		Claim: "When all certificates expire, connections that exist go on and no new one is made: the cluster works until an agent restarts. New certificates bring it back, and nothing that was acknowledged is lost.",
		Spec:  changeSpec(),
		Steps: func() []scenario.Step { return (&expiry{}).steps() },
	}
}

// expiry is what the steps share.
type expiry struct {
	change
	// edit changes the plan that brings the cluster back. Nil: it stays as it is.
	edit func(*rollout.Plan)

	nodes []*lab.Node
	short map[string]pki.Credential
	// first and last are when the first and the last of these certificates end.
	first, last time.Time
	held        heldConnections
	// restarted are the servers that restarted with expired certificates.
	restarted []*lab.Node
}

// errNotExpired is the error of a step that needs what shorten did not get.
var errNotExpired = errors.New("no certificate expires: see the step that renews them")

func (e *expiry) steps() []scenario.Step {
	return []scenario.Step{
		e.begin(),
		{Title: "All agents take certificates that end in some seconds", Do: e.shorten},
		{Title: "The certificates end; what had a connection still works: leader, writes, client, allocation", Do: e.worksOn},
		{Title: "What needs a new connection does not: callers refuse the agents, and agents refuse callers whose certificate has ended", Do: e.refusesNew},
		{Title: "Two servers restart, and the cluster stops: they cannot connect to anybody", Do: e.restart},
		{Title: "New certificates are written; agents that ran reload, those that restarted restart again; the cluster is ready", Do: e.renew},
		e.finish(),
	}
}

// lives are how long the certificates live that are to expire: each agent must take its own and be ready before the first ends.
// A machine that is too slow for one life gets the next.
func lives() []time.Duration {
	return []time.Duration{5 * time.Second, 20 * time.Second, 2 * time.Minute}
}

// shorten has all agents take certificates that end soon, all at the same moment.
func (e *expiry) shorten(ctx context.Context, t *scenario.T) error {
	if e.work == nil {
		return errNoWork
	}
	var err error
	for _, life := range lives() {
		if err = e.shortenTo(ctx, t, life); err == nil || time.Now().Before(e.first) {
			return err
		}
		t.Say("the certificates ended before all agents had them: they get longer ones")
		if err := e.rolloutOf(ctx, t, t.Lab.Authority(), allAtOnce); err != nil {
			return err
		}
	}
	return err
}

// shortenTo has all agents take certificates of that life, and opens the connections that are held while they end. An error after
// their end says nothing.
func (e *expiry) shortenTo(ctx context.Context, t *scenario.T, life time.Duration) error {
	if err := e.rolloutOf(ctx, t, t.Lab.Authority().WithLeafTTL(life), func(*rollout.Plan) {}); err != nil {
		return err
	}
	var err error
	if e.held, err = hold(ctx, t, t.Lab.Servers(), aWrite()); err != nil {
		return err
	}
	if !time.Now().Before(e.first) {
		return errNotExpired
	}
	t.Say("the certificates of all agents end at %s, in %.1f s", e.first.Format(time.TimeOnly), time.Until(e.first).Seconds())
	return nil
}

// rolloutOf renews the certificates of all nodes by that authority, each in turn, by a plan that edit changes.
func (e *expiry) rolloutOf(ctx context.Context, t *scenario.T, from *pki.Authority, edit func(*rollout.Plan)) error {
	nodes := e.nodes
	if nodes == nil {
		var err error
		if nodes, err = inOrder(ctx, t.Lab); err != nil {
			return err
		}
	}
	issued, err := rollout.Issue(from, nodes)
	if err != nil {
		return err
	}
	e.first, e.last = time.Time{}, time.Time{}
	for _, c := range issued {
		end, err := c.NotAfter()
		if err != nil {
			return err
		}
		if e.first.IsZero() || end.Before(e.first) {
			e.first = end
		}
		if end.After(e.last) {
			e.last = end
		}
	}
	p, err := rollout.Renew(nodes, issued)
	if err != nil {
		return err
	}
	p.Title = "take certificates that end soon"
	edit(&p)
	bounded, cancel := context.WithDeadline(ctx, e.first)
	defer cancel()
	e.nodes, e.short = nodes, issued
	_, err = rollout.Run(bounded, t.Lab, p, rollout.Options{Recorder: e.recorder})
	return err
}

// aWrite returns the request that writes a variable through whatever server it is sent to.
func aWrite() probe.Request {
	return probe.Request{Method: http.MethodPut, Path: "/v1/var/nomadlab/expiry", Body: `{"Path": "nomadlab/expiry", "Items": {"key": "value"}}`}
}

// worksOn waits until the last certificate has ended, and then uses what was connected before.
func (e *expiry) worksOn(ctx context.Context, t *scenario.T) error {
	if len(e.held.https) == 0 {
		return errNotExpired
	}
	if err := poll.Until(ctx, "the last certificate to end", func(context.Context) string {
		// A certificate is valid up to and with the second of its end.
		if left := time.Until(e.last.Add(time.Second)); left > 0 {
			return left.String() + " are left"
		}
		return ""
	}); err != nil {
		return err
	}
	for name, c := range e.held.https {
		if o := c.Ask(ctx); o.Outcome != probe.Accepted {
			return fmt.Errorf("a write over the connection that was held to %s: %s (%s), want that it is acknowledged", name, o.Received, o.Outcome)
		}
	}
	for name, c := range e.held.rpc {
		if o := c.Ask(ctx); o.Outcome != probe.Accepted {
			return fmt.Errorf("a call over the RPC connection that was held to %s: %s (%s), want an answer", name, o.Received, o.Outcome)
		}
	}
	var leader string
	if err := unverified(ctx, t.Lab, e.nodes[0], http.MethodGet, "/v1/status/leader", "", &leader); err != nil || leader == "" {
		return fmt.Errorf("%s names %q as its leader: %w", e.nodes[0].Name(), leader, err)
	}
	var clients []api.NodeListStub
	if err := unverified(ctx, t.Lab, e.nodes[0], http.MethodGet, "/v1/nodes", "", &clients); err != nil {
		return err
	}
	for _, c := range clients {
		if c.Status != api.NodeStatusReady {
			return fmt.Errorf("%s is %s, want ready", c.Name, c.Status)
		}
	}
	t.Say("%.1f s after the last certificate ended: each server acknowledges writes over connections that it has, and forwards them to the leader; the client is ready",
		time.Since(e.last).Seconds())
	return nil
}

// unverified sends a request to an agent with the lab's cli certificate over a new connection, whatever certificate the agent
// serves, and decodes the answer into out. It returns an error for an answer other than 200.
func unverified(ctx context.Context, l *lab.Lab, n *lab.Node, method, path, body string, out any) error {
	config, err := l.Credential().ClientTLS(n.ServerName())
	if err != nil {
		return err
	}
	config.InsecureSkipVerify = true //nolint:gosec // no secret is sent, and that the certificate has expired is the point
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	ctx, cancel := deadline.Fair(ctx, refusedWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "https://"+n.HTTP().String()+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask %s: %w", n.Name(), err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", n.Name(), err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("ask %s: %w", n.Name(), err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", n.Name(), response.Status, text)
	}
	return json.Unmarshal(text, out)
}

// refusedWithin is how long an answer is waited for: servers hold a call for some seconds if they have no leader
// (nomad/rpc.go, RPCHoldTimeout); see deadline.Fair.
const refusedWithin = 8 * time.Second

// leaderless waits until each server says of itself that it does not lead.
func leaderless(ctx context.Context, l *lab.Lab) error {
	return poll.Until(ctx, "the cluster to lose its leader", func(ctx context.Context) string {
		for _, n := range l.Servers() {
			var self api.AgentSelf
			if err := unverified(ctx, l, n, http.MethodGet, "/v1/agent/self", "", &self); err != nil {
				return err.Error()
			}
			if self.Stats["raft"]["state"] == "Leader" {
				return n.Name() + " leads"
			}
		}
		return ""
	})
}

// refusesWrites demands that each server refuses a write: with "No cluster leader", or with the error of the connection over which
// it wanted to pass it on.
func refusesWrites(ctx context.Context, l *lab.Lab) error {
	var writes errgroup.Group
	for _, n := range l.Servers() {
		writes.Go(func() error {
			a := aWrite()
			err := unverified(ctx, l, n, a.Method, a.Path, a.Body, new(json.RawMessage))
			if err == nil || !strings.Contains(err.Error(), "answers 500") {
				return fmt.Errorf("a write through %s without a leader: %v, want that it answers 500", n.Name(), err) //nolint:errorlint // it may be nil
			}
			return nil
		})
	}
	return writes.Wait()
}

// refusesNew tries new connections, from each side.
func (e *expiry) refusesNew(ctx context.Context, t *scenario.T) error {
	if len(e.held.https) == 0 {
		return errNotExpired
	}
	for _, n := range e.nodes {
		_, err := n.Certificate(ctx)
		if invalid, is := errors.AsType[x509.CertificateInvalidError](err); !is || invalid.Reason != x509.Expired {
			return fmt.Errorf("a caller that verifies the certificate of %s: %v, want that it has expired", n.Name(), err) //nolint:errorlint // it may be nil
		}
		if err := check(ctx, t, n, posture.Spec{
			ID: "https-refuses-an-expired-caller", Title: "an agent refuses a new connection of a caller whose certificate has expired", Severity: posture.High,
			Why:     "a certificate is verified once, when a connection is made (crypto/tls; verified against Nomad 1.11.3)",
			Probe:   probe.HTTP("/v1/agent/self", probe.As(e.short[n.Name()]).WithLabel("the agent's own certificate, which has expired").SkipVerify()),
			Want:    posture.Want{probe.RefusedInHandshake},
			Control: probe.HTTP("/v1/agent/self", probe.As(t.Lab.Credential()).SkipVerify()),
		}); err != nil {
			return err
		}
	}
	t.Say("a caller that verifies refuses every agent: its certificate has expired")
	return nil
}

// restart restarts two servers, and waits until the cluster has no leader.
func (e *expiry) restart(ctx context.Context, t *scenario.T) error {
	if len(e.held.https) == 0 {
		return errNotExpired
	}
	began := time.Now()
	for _, n := range e.nodes[:2] { // of three servers, the leader is the last
		e.restarted = append(e.restarted, n)
		if err := n.RestartAgent(ctx, ""); err != nil {
			return err
		}
	}
	if err := leaderless(ctx, t.Lab); err != nil {
		return err
	}
	t.Say("%.1f s after the first restart, no server leads", time.Since(began).Seconds())
	return refusesWrites(ctx, t.Lab)
}

// allAtOnce has the rollout wait at its end alone: no agent can reach another one before that has a certificate which is valid.
func allAtOnce(p *rollout.Plan) {
	for i := range p.Steps {
		p.Steps[i].Await = nil
	}
	p.Steps[len(p.Steps)-1].Await = []rollout.Await{rollout.LabReady()}
}

// renew brings the cluster back.
func (e *expiry) renew(ctx context.Context, t *scenario.T) error {
	if len(e.restarted) == 0 {
		return errNotExpired
	}
	fresh, err := rollout.Issue(t.Lab.Authority(), e.nodes)
	if err != nil {
		return err
	}
	p, err := rollout.Renew(e.nodes, fresh)
	if err != nil {
		return err
	}
	p.Title = "renew the certificates that have expired"
	allAtOnce(&p)
	for i, s := range p.Steps {
		if slices.ContainsFunc(e.restarted, func(n *lab.Node) bool { return n.Name() == s.Node }) {
			p.Steps[i].Effect, p.Steps[i].Why = rollout.Restart, "an agent that was never ready since its start may end on a reload"
		}
	}
	if e.edit != nil {
		e.edit(&p)
	}
	began := time.Now()
	if _, err := rollout.Run(ctx, t.Lab, p, rollout.Options{Recorder: e.recorder}); err != nil {
		return err
	}
	t.Say("the cluster is ready again %.1f s after the first new certificate was written", time.Since(began).Seconds())
	return nil
}

// finish judges the work, whose calls failed while the cluster stood still.
func (e *expiry) finish() scenario.Step {
	e.limits = load.Limits{FailedCalls: math.MaxInt, LeastWrites: -1, LeastReads: -1}
	return e.end("No acknowledged write was lost and no allocation moved; calls failed from the moment on at which the certificates ended")
}
