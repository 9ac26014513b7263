package scenarios

import (
	"context"
	"fmt"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// wrongRole proves which certificates open which door.
func wrongRole() scenario.Scenario {
	return scenario.Scenario{
		Name:  "wrong-role-certificates-are-rejected",
		Claim: "RPC and Raft let in only the roles that belong there; HTTPS lets in every certificate of the authority, whatever its role.",
		Spec: spec.Spec{
			LogLevel: "TRACE", // only there does the HTTP port say why it refused a handshake
			ExtraNodes: []spec.ExtraNode{
				{Name: "twin-cli", Role: pki.Client, CertificateRole: pki.CLI},
				{Name: "twin-client", Role: pki.Client},
			},
		},
		Steps: func() []scenario.Step {
			return []scenario.Step{
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
	// rpc, raft and https are what is wanted, by door. A refusal in the handshake has its reason in the log.
	rpc, raft, https probe.Outcome
	reason           string
	// rpcTwin is the role of the certificate that RPC lets in and that differs in one thing. Zero: a server's.
	rpcTwin pki.Role
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
	bad := func(f pki.Defect) func(*lab.Lab) (probe.Caller, error) {
		return func(l *lab.Lab) (probe.Caller, error) { return defective(l, here, f) }
	}
	return []certificate{
		{name: "server", caller: sound(pki.Server, here), rpc: in, raft: in, https: in},
		{name: "client", caller: sound(pki.Client, here), rpc: in, raft: shut, https: in},
		{name: "cli", caller: sound(pki.CLI, here), rpc: out, raft: out, https: in, reason: reasonRole},
		{name: "server of another region", caller: sound(pki.Server, eu), rpc: in, raft: shut, https: in},
		{name: "client of another region", caller: sound(pki.Client, eu), rpc: out, raft: out, https: in, reason: reasonRole, rpcTwin: pki.Client},
		{name: "foreign authority", caller: bad(pki.Foreign()), rpc: out, raft: out, https: out, reason: reasonForeign},
		{name: "expired", caller: bad(pki.Expired()), rpc: out, raft: out, https: out, reason: reasonExpired},
		{name: "none", caller: anonymous, rpc: out, raft: out, https: out, reason: reasonNone},
	}
}

func anonymous(l *lab.Lab) (probe.Caller, error) { return probe.Anonymous(l.Credential()), nil }

// door is one of an agent's planes, with what knocks at it.
type endpoint struct {
	plane probe.Plane
	nodes func(*lab.Lab) []*lab.Node
	knock func(probe.Caller) probe.Probe
	want  func(certificate) probe.Outcome
	// twin is the role of the certificate of the agent's own region that this door lets in: the control of a refusal. It
	// differs from what is refused in one thing: the role, the region, the defect, or that there is a certificate.
	twin func(certificate) pki.Role
	why  string
}

// serverTwin is the twin wherever a server's certificate differs in one thing. At Raft it is everybody's, as nobody else
// is let in there: that of a client of another region then differs in two things, and no single change would do.
func serverTwin(certificate) pki.Role { return pki.Server }

// rpcTwin lets a client of another region be compared with a client of this one.
func rpcTwin(c certificate) pki.Role {
	if c.rpcTwin == "" {
		return pki.Server
	}
	return c.rpcTwin
}

func rpcDoor() endpoint {
	return endpoint{
		plane: probe.PlaneRPC, nodes: (*lab.Lab).Servers,
		knock: func(c probe.Caller) probe.Probe { return probe.RPC("Status.Leader", c) },
		want:  func(c certificate) probe.Outcome { return c.rpc },
		twin:  rpcTwin,
		why:   "CVE-2020-7956: verify_server_hostname checks role and region of whoever calls (nomad/server.go:647)",
	}
}

func raftDoor() endpoint {
	return endpoint{
		plane: probe.PlaneRaft, nodes: (*lab.Lab).Servers, knock: probe.Raft,
		want: func(c certificate) probe.Outcome { return c.raft },
		twin: serverTwin,
		why:  "CVE-2021-37218: only a server of this region may speak Raft (nomad/rpc.go:919)",
	}
}

func httpsDoor() endpoint {
	return endpoint{
		plane: probe.PlaneHTTP, nodes: agents,
		knock: func(c probe.Caller) probe.Probe { return probe.HTTP("/v1/agent/self", c) },
		want:  func(c certificate) probe.Outcome { return c.https },
		twin:  serverTwin,
		why:   "verify_https_client takes every certificate of the authority and looks at no role (verified against Nomad 1.11.3)",
	}
}

// rolesAt tries each certificate at a door of each agent that has it.
func rolesAt(d endpoint) func(context.Context, *scenario.T) error {
	return func(ctx context.Context, t *scenario.T) error {
		for _, c := range certificates() {
			for _, n := range d.nodes(t.Lab) {
				check, err := d.check(t.Lab, c, n.Region())
				if err != nil {
					return err
				}
				if err := t.Record(check.Evaluate(ctx, inspect.Target(n))); err != nil {
					return err
				}
			}
		}
		if d.plane == probe.PlaneHTTP {
			t.Say("HTTPS looks at no role. What keeps users apart there is the ACL system.")
		}
		return nil
	}
}

// check is a cell of the table. A refusal's control is the door's twin; that of an acceptance is no certificate at all,
// which shows that the door looks at certificates.
func (d endpoint) check(l *lab.Lab, c certificate, region string) (posture.Check, error) {
	caller, err := c.caller(l)
	if err != nil {
		return posture.Check{}, err
	}
	want, verb, opposite := d.want(c), "lets in", anonymous
	if want != probe.Accepted {
		verb = "refuses"
		opposite = func(l *lab.Lab) (probe.Caller, error) { return as(l, d.twin(c), region) }
	}
	control, err := opposite(l)
	if err != nil {
		return posture.Check{}, err
	}
	s := posture.Spec{
		ID:    inID(fmt.Sprintf("%s %s %s", d.plane, verb, c.name)),
		Title: fmt.Sprintf("%s %s: %s", d.plane, verb, c.name),
		Plane: d.plane, Severity: posture.High, Why: d.why,
		Probe: d.knock(caller), Want: posture.Want{want}, Control: d.knock(control),
	}
	if want == probe.RefusedInHandshake {
		s.LogText = c.reason
	}
	return posture.New(s)
}

// inID makes words fit for the ID of a check.
func inID(words string) string { return strings.ReplaceAll(strings.ToLower(words), " ", "-") }
