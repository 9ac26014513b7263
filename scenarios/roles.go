package scenarios

import (
	"context"
	"errors"
	"slices"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/posture/matrix"
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
