package scenarios

import (
	"context"
	"fmt"

	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
)

// plainHTTP proves that an agent of a hardened cluster serves nothing in the clear.
func plainHTTP() scenario.Scenario {
	return scenario.Scenario{
		Name:  "plain-http-is-rejected",
		Claim: "Nobody gets an answer from a hardened agent without TLS, on its HTTP port or on its RPC port.",
		Steps: func() []scenario.Step {
			return []scenario.Step{
				{Title: "Every agent's HTTP port answers plain HTTP with 400 and says why", Do: plainHTTPIsDenied},
				{Title: "Every server's RPC port closes a connection that does not begin with TLS", Do: plainRPCIsClosed},
			}
		},
	}
}

// httpsWanted is what Go's HTTPS server, and so Nomad, answers to plain HTTP (net/http server.go, Server.serve).
const httpsWanted = "400 Bad Request: Client sent an HTTP request to an HTTPS server."

func plainHTTPIsDenied(ctx context.Context, t *scenario.T) error {
	for _, n := range agents(t.Lab) {
		cli, err := as(t.Lab, pki.CLI, n.Region())
		if err != nil {
			return err
		}
		f := posture.Must(posture.Spec{
			ID: "http-refuses-plaintext", Title: "plain HTTP is answered with 400, the same over TLS with 200",
			Kind: posture.Safe, Severity: posture.Critical,
			Why:     "with tls.http the API is served over TLS alone (verified against Nomad 1.11.3)",
			Probe:   probe.PlainHTTP("/v1/agent/self"),
			Want:    posture.Want{probe.Denied},
			Answer:  httpsWanted,
			Control: probe.HTTP("/v1/agent/self", cli),
		}).Evaluate(ctx, inspect.Target(n))
		if err := t.Record(f); err != nil {
			return err
		}
	}
	t.Say("the answer that is wanted: %s", httpsWanted)
	return nil
}

func plainRPCIsClosed(ctx context.Context, t *scenario.T) error {
	for _, n := range t.Lab.Servers() {
		server, err := as(t.Lab, pki.Server, n.Region())
		if err != nil {
			return err
		}
		for _, framing := range probe.Framings() {
			f := posture.Must(posture.Spec{
				ID:       "rpc-refuses-plaintext-" + inID(framing.Name()),
				Title:    fmt.Sprintf("%s in plaintext is closed without an answer, over TLS it is answered", framing),
				Severity: posture.Critical,
				Why:      "with tls.rpc a server takes no connection in the clear, whichever protocol its first byte asks for (nomad/rpc.go, handleConn)",
				Probe:    probe.PlainRPC(framing),
				Want:     posture.Want{probe.RefusedInHandshake},
				Control:  probe.RPCOver(framing, server),
				LogText:  "non-TLS connection attempted with RequireTLS set",
			}).Evaluate(ctx, inspect.Target(n))
			if err := t.Record(f); err != nil {
				return err
			}
		}
	}
	return nil
}
