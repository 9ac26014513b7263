package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// wrongRole proves which certificates each endpoint accepts. Three facts surprise: a server of another region may make
// ordinary calls, because regions federate; a client of another region may not; and HTTPS looks at no role.
func wrongRole() scenario.Scenario {
	return scenario.Scenario{
		Name:  "wrong-role-certificates-are-rejected",
		Claim: "RPC and Raft let in only the roles that belong there; HTTPS lets in every certificate of the authority, whatever its role.",
		Spec: spec.Spec{
			LogLevel: "TRACE", // the HTTP port logs why it refused a handshake at this level only
			ExtraNodes: []spec.ExtraNode{
				{Name: cliCertificate, Role: pki.Client, CertificateRole: pki.CLI},
				{Name: clientCertificate, Role: pki.Client},
			},
		},
		Steps: func() []scenario.Step {
			return []scenario.Step{
				{
					Title: "RPC refuses a cli, a client of another region and a foreign authority, and logs why",
					Do:    checks("rpc-refuses-cli-certificate", "rpc-refuses-client-of-another-region", "rpc-refuses-foreign-certificate"),
				},
				{
					Title: "Raft refuses everybody but the servers of its own region",
					Do: checks("raft-refuses-client-certificate", "raft-refuses-server-of-another-region", "raft-refuses-cli-certificate",
						"raft-refuses-foreign-certificate"),
				},
				{
					Title: "HTTPS refuses a foreign authority and no certificate, at every agent, and logs why",
					Do:    checks("*-https-refuses-foreign-certificate", "*-https-refuses-no-certificate"),
				},
				{Title: "The servers' HTTPS, RPC and Raft are asked with each certificate", Do: certificatesAtEndpoints},
				{Title: "An expired certificate, a missing one and a wrong role are refused, and the log says why; a client's HTTPS looks at no role", Do: otherCertificates},
				{Title: "A real client agent with a cli certificate is refused, one with a client certificate joins", Do: clientsOfBothRoles},
			}
		},
	}
}

// certificatesAtEndpoints records those cells of the matrix that are about roles, each as a finding.
func certificatesAtEndpoints(ctx context.Context, t *scenario.T) error {
	r, err := inspect.Lab(ctx, t.Lab, inspect.Options{Only: []string{inspect.MatrixName}})
	if err != nil {
		return err
	}
	if r.Matrix == nil {
		return errors.New("the matrix was not probed")
	}
	kinds := []caller.Kind{
		caller.Server, caller.Client, caller.CLI, caller.OtherServer, caller.OtherClient, caller.Foreign, caller.Expired, caller.None,
	}
	endpoints := []matrix.Endpoint{matrix.HTTPS, matrix.OrdinaryRPC, matrix.Raft}
	var found []finding.Finding
	for _, row := range r.Matrix.Rows {
		for _, cell := range row.Cells {
			if slices.Contains(kinds, caller.Kind(row.Certificate)) && slices.Contains(endpoints, matrix.Endpoint(cell.Endpoint)) {
				found = append(found, ofCell(r.Matrix, row, cell))
			}
		}
	}
	if want := len(kinds) * len(endpoints); len(found) != want {
		return fmt.Errorf("the matrix has %d of the %d cells that are about roles", len(found), want)
	}
	if err := t.Record(found...); err != nil {
		return err
	}
	t.Say("HTTPS looks at no role. What keeps users apart there is the ACL system.")
	return nil
}

// ofCell returns the finding that a cell of the matrix amounts to.
func ofCell(m *finding.Matrix, row finding.MatrixRow, c finding.Cell) finding.Finding {
	return finding.Finding{
		ID: c.Endpoint + " with " + row.Certificate, Title: c.Endpoint + " with " + row.Title, Node: m.Node, Severity: string(posture.High),
		Want: []string{c.Want}, Outcome: c.Outcome, Result: c.Result, Reason: c.Reason, Evidence: c.Evidence,
		Why: "tls.verify_server_hostname, CVE-2020-7956 and CVE-2021-37218: RPC and Raft look at role and region of a certificate, HTTPS does not",
	}
}

// certificateTry is a certificate at an endpoint of some nodes, of which the catalogue has no check with the agent's log.
type certificateTry struct {
	kind  caller.Kind
	plane probe.Plane
	nodes func(*lab.Lab) []*lab.Node
	// log is what the agent logs about its refusal. Empty: the certificate is accepted.
	log string
}

// certificateTries returns what otherCertificates tries.
func certificateTries() []certificateTry {
	tries := []certificateTry{
		{caller.CLI, probe.PlaneRaft, (*lab.Lab).Servers, wrongRoleLogged},
		{caller.OtherClient, probe.PlaneRaft, (*lab.Lab).Servers, wrongRoleLogged},
		{caller.Foreign, probe.PlaneRaft, (*lab.Lab).Servers, "certificate signed by unknown authority"},
		{caller.Expired, probe.PlaneHTTP, (*lab.Lab).Clients, "certificate has expired or is not yet valid"},
		{caller.Expired, probe.PlaneHTTP, (*lab.Lab).Servers, "certificate has expired or is not yet valid"},
	}
	for _, p := range []probe.Plane{probe.PlaneRPC, probe.PlaneRaft} {
		tries = append(tries,
			certificateTry{caller.Expired, p, (*lab.Lab).Servers, "certificate has expired or is not yet valid"},
			certificateTry{caller.None, p, (*lab.Lab).Servers, "client didn't provide a certificate"})
	}
	for _, k := range []caller.Kind{caller.Server, caller.Client, caller.CLI, caller.OtherServer, caller.OtherClient} {
		tries = append(tries, certificateTry{k, probe.PlaneHTTP, (*lab.Lab).Clients, ""})
	}
	return tries
}

// otherCertificates runs the tries. The control of a refusal is a server's certificate, that of an acceptance none at all.
func otherCertificates(ctx context.Context, t *scenario.T) error {
	callers, err := caller.Mint(t.Lab.Authority(), pki.DefaultRegion)
	if err != nil {
		return fmt.Errorf("make the callers: %w", err)
	}
	at := map[probe.Plane]func(probe.Caller) probe.Probe{
		probe.PlaneHTTP: func(c probe.Caller) probe.Probe { return probe.HTTP("/v1/agent/self", c) },
		probe.PlaneRPC:  func(c probe.Caller) probe.Probe { return probe.RPC("Status.Leader", c) },
		probe.PlaneRaft: probe.Raft,
	}
	for _, try := range certificateTries() {
		verb, want, opposite := "refuses", posture.Want{probe.RefusedInHandshake}, caller.Server
		if try.log == "" {
			verb, want, opposite = "accepts", posture.Accepted(), caller.None
		}
		as, missing := callers.Caller(try.kind)
		control, _ := callers.Caller(opposite)
		title := fmt.Sprintf("%s %s %s", try.plane, verb, try.kind)
		for _, n := range try.nodes(t.Lab) {
			if err := check(ctx, t, n, posture.Spec{
				ID: strings.ReplaceAll(strings.ToLower(title), " ", "-"), Title: title, Plane: try.plane, Severity: posture.High, Missing: missing,
				Why:   "CVE-2020-7956 and CVE-2021-37218: RPC and Raft look at role and region of a certificate, HTTPS does not (nomad/server.go:647, nomad/rpc.go:919)",
				Probe: at[try.plane](as), Want: want, Control: at[try.plane](control), LogText: try.log,
			}); err != nil {
				return err
			}
		}
	}
	return nil
}
