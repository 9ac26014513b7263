package scenarios

import (
	"context"
	"fmt"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/story"
)

// wrongRole proves which certificates open which door.
func wrongRole() story.Scenario {
	return story.Scenario{
		Name:  "wrong-role-certificates-are-rejected",
		Claim: "RPC and Raft let in only the roles that belong there; HTTPS lets in every certificate of the authority, whatever its role.",
		Spec: lab.Spec{
			LogLevel: "TRACE", // only there does the HTTP port say why it refused a handshake
			Joiners: []lab.Joiner{
				{Name: "twin-cli", Role: pki.Client, CertificateRole: pki.CLI},
				{Name: "twin-client", Role: pki.Client},
			},
		},
		Steps: func() []story.Step {
			return []story.Step{
				{Title: "RPC: a call of Status.Leader with each certificate", Do: rolesAt(rpcDoor())},
				{Title: "Raft: a pre-vote with each certificate", Do: rolesAt(raftDoor())},
				{Title: "HTTPS: a request with each certificate, to every agent", Do: rolesAt(httpsDoor())},
				{Title: "A real client agent with a cli certificate is refused, its twin with a client certificate joins", Do: twins},
			}
		},
	}
}

// certificate is a row of the table: who calls, and what comes of it at each door.
type certificate struct {
	name string
	// caller makes the certificate; nil for nobody.
	caller func(*lab.Lab) (probe.Caller, error)
	// at is what is wanted, by door. A refusal in the handshake has its reason in the log.
	rpc, raft, https probe.Outcome
	reason           string
}

// Reasons as Nomad logs them (verified against Nomad 1.11.3).
const (
	reasonRole    = "invalid role or region for certificate"
	reasonNone    = "client didn't provide a certificate"
	reasonForeign = "certificate signed by unknown authority"
	reasonExpired = "certificate has expired or is not yet valid"
)

// certificates is the table of roles for a lab of region global. Three facts in it surprise: a server of another region
// may make ordinary calls, for regions federate; a client of another region may not; and HTTPS knows no roles at all.
func certificates() []certificate {
	const (
		in, out, shut = probe.Accepted, probe.RefusedInHandshake, probe.RefusedAfterHandshake
		here, eu      = pki.DefaultRegion, "eu"
	)
	sound := func(r pki.Role, region string) func(*lab.Lab) (probe.Caller, error) {
		return func(l *lab.Lab) (probe.Caller, error) { return as(l, r, region) }
	}
	bad := func(f pki.Flaw) func(*lab.Lab) (probe.Caller, error) {
		return func(l *lab.Lab) (probe.Caller, error) { return flawed(l, here, f) }
	}
	return []certificate{
		{name: "server", caller: sound(pki.Server, here), rpc: in, raft: in, https: in},
		{name: "client", caller: sound(pki.Client, here), rpc: in, raft: shut, https: in},
		{name: "cli", caller: sound(pki.CLI, here), rpc: out, raft: out, https: in, reason: reasonRole},
		{name: "server of another region", caller: sound(pki.Server, eu), rpc: in, raft: shut, https: in},
		{name: "client of another region", caller: sound(pki.Client, eu), rpc: out, raft: out, https: in, reason: reasonRole},
		{name: "foreign authority", caller: bad(pki.Foreign()), rpc: out, raft: out, https: out, reason: reasonForeign},
		{name: "expired", caller: bad(pki.Expired()), rpc: out, raft: out, https: out, reason: reasonExpired},
		{name: "none", caller: anonymous, rpc: out, raft: out, https: out, reason: reasonNone},
	}
}

func anonymous(l *lab.Lab) (probe.Caller, error) { return probe.Anonymous(l.Credential()), nil }

// door is one of an agent's planes, with what knocks at it.
type door struct {
	plane probe.Plane
	nodes func(*lab.Lab) []*lab.Node
	knock func(probe.Caller) probe.Probe
	want  func(certificate) probe.Outcome
	why   string
}

func rpcDoor() door {
	return door{
		plane: probe.PlaneRPC, nodes: (*lab.Lab).Servers,
		knock: func(c probe.Caller) probe.Probe { return probe.RPC("Status.Leader", c) },
		want:  func(c certificate) probe.Outcome { return c.rpc },
		why:   "CVE-2020-7956: verify_server_hostname checks role and region of whoever calls (nomad/server.go:647)",
	}
}

func raftDoor() door {
	return door{
		plane: probe.PlaneRaft, nodes: (*lab.Lab).Servers, knock: probe.Raft,
		want: func(c certificate) probe.Outcome { return c.raft },
		why:  "CVE-2021-37218: only a server of this region may speak Raft (nomad/rpc.go:919)",
	}
}

func httpsDoor() door {
	return door{
		plane: probe.PlaneHTTP, nodes: agents,
		knock: func(c probe.Caller) probe.Probe { return probe.HTTP("/v1/agent/self", c) },
		want:  func(c certificate) probe.Outcome { return c.https },
		why:   "verify_https_client takes every certificate of the authority and looks at no role (verified against Nomad 1.11.3)",
	}
}

// rolesAt tries each certificate at a door of each agent that has it.
func rolesAt(d door) func(context.Context, *story.T) error {
	return func(ctx context.Context, t *story.T) error {
		for _, c := range certificates() {
			for _, n := range d.nodes(t.Lab) {
				check, err := d.check(t.Lab, c, n.Region())
				if err != nil {
					return err
				}
				if err := t.Record(check.Evaluate(ctx, target(n))); err != nil {
					return err
				}
			}
		}
		if d.plane == probe.PlaneHTTP {
			t.Say("HTTPS knows no roles: every certificate of the authority was let in. What keeps users apart there is the ACL system.")
		}
		return nil
	}
}

// check is a cell of the table. A refusal's control is a server's certificate, which every door lets in; that of an
// acceptance is no certificate at all, which shows that the door looks at certificates.
func (d door) check(l *lab.Lab, c certificate, region string) (posture.Check, error) {
	caller, err := c.caller(l)
	if err != nil {
		return posture.Check{}, err
	}
	want, verb, opposite := d.want(c), "lets in", anonymous
	if want != probe.Accepted {
		verb = "refuses"
		opposite = func(l *lab.Lab) (probe.Caller, error) { return as(l, pki.Server, region) }
	}
	control, err := opposite(l)
	if err != nil {
		return posture.Check{}, err
	}
	s := posture.Spec{
		ID:    fmt.Sprintf("%s-%s-%s", strings.ToLower(string(d.plane)), strings.ReplaceAll(verb, " ", "-"), strings.ReplaceAll(c.name, " ", "-")),
		Title: fmt.Sprintf("%s %s: %s", d.plane, verb, c.name),
		Plane: d.plane, Kind: posture.Safe, Severity: posture.High, Why: d.why,
		Probe: d.knock(caller), Want: posture.Want{want}, Control: d.knock(control),
	}
	if want == probe.RefusedInHandshake {
		s.LogText = c.reason
	}
	return posture.New(s)
}

// refusals is how often the cli agent must be seen refused: once could be a coincidence of its start.
const refusals = 2

// twins starts two client agents that differ in nothing but the role in their certificate.
func twins(ctx context.Context, t *story.T) error {
	cli, err := t.Lab.Node("twin-cli")
	if err != nil {
		return err
	}
	client, err := t.Lab.Node("twin-client")
	if err != nil {
		return err
	}
	if err := cli.Start(ctx); err != nil {
		return err
	}
	var seen []string
	err = lab.WaitFor(ctx, fmt.Sprintf("the servers to refuse %s %d times", cli.Name(), refusals), func(context.Context) string {
		seen = refusedAt(t.Lab, cli)
		if len(seen) < refusals {
			return fmt.Sprintf("%d refusals in the servers' logs", len(seen))
		}
		return ""
	})
	if err != nil {
		return err
	}
	t.Say("%s was refused, as the servers say:\n%s", cli.Name(), strings.Join(seen[:refusals], "\n"))
	if err := client.Start(ctx); err != nil {
		return err
	}
	return twinJoins(ctx, t, client, cli)
}

// twinJoins waits for the right twin to be ready: the time that the wrong one had as well.
func twinJoins(ctx context.Context, t *story.T, right, wrong *lab.Node) error {
	api, err := t.Lab.Servers()[0].API()
	if err != nil {
		return err
	}
	registered := map[string]string{}
	err = lab.WaitFor(ctx, right.Name()+" to be ready", func(context.Context) string {
		nodes, _, err := api.Nodes().List(nil)
		if err != nil {
			return err.Error()
		}
		clear(registered)
		for _, n := range nodes {
			registered[n.Name] = n.Status
		}
		if registered[right.Name()] != "ready" {
			return fmt.Sprintf("registered are %v", registered)
		}
		return ""
	})
	if err != nil {
		return err
	}
	if status, there := registered[wrong.Name()]; there {
		return fmt.Errorf("%s registered with a cli certificate: its status is %s", wrong.Name(), status)
	}
	t.Say("%s is ready, %s is not registered", right.Name(), wrong.Name())
	return nil
}

// refusedAt are the lines in which a server says that it refused a connection from the node for its role.
func refusedAt(l *lab.Lab, n *lab.Node) []string {
	var out []string
	for _, s := range l.Servers() {
		lines, err := s.Log().Since(0)
		if err != nil {
			continue
		}
		for _, line := range lines {
			if strings.Contains(line, reasonRole) && strings.Contains(line, "remote_addr="+n.Address().String()+":") {
				out = append(out, s.Name()+": "+strings.TrimSpace(line))
			}
		}
	}
	return out
}
