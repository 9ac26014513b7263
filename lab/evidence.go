package lab

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
)

// Evidence writes a folder that helps to explain the cause, and returns its path. It contains the cause, the lab's plan, and
// for each node its log, its configuration as it was written and as the agent reports it, its certificate in words, and the
// engine's state. It contains no key. The error, and the file missing.txt, name what could not be collected.
func (l *Lab) Evidence(ctx context.Context, cause error) (string, error) {
	at := state.EvidenceFolder(fmt.Sprintf("%s-%s", l.Name(), time.Now().Format("20060102-150405.000")))
	if err := os.MkdirAll(at, 0o700); err != nil {
		return "", fmt.Errorf("make the evidence folder: %w", err)
	}
	plan, _ := json.MarshalIndent(l.Plan(), "", "  ")
	errs := []error{
		os.WriteFile(filepath.Join(at, "cause.txt"), fmt.Appendln(nil, cause), 0o600),
		os.WriteFile(filepath.Join(at, "plan.json"), plan, 0o600),
	}
	for _, n := range l.nodes {
		errs = append(errs, n.evidence(ctx, filepath.Join(at, n.Name())))
	}
	// Requests to the agents come last: one that hangs must not cost the rest.
	for _, n := range l.nodes {
		errs = append(errs, n.selfEvidence(ctx, filepath.Join(at, n.Name())))
	}
	status, _ := json.MarshalIndent(l.Status(ctx), "", "  ")
	errs = append(errs, os.WriteFile(filepath.Join(at, "status.json"), status, 0o600))
	missing := errors.Join(errs...)
	if missing != nil {
		missing = errors.Join(missing, os.WriteFile(filepath.Join(at, "missing.txt"), fmt.Appendln(nil, missing), 0o600))
	}
	return at, missing
}

// evidence writes what the plan and the engine have of the node.
func (n *Node) evidence(ctx context.Context, at string) error {
	if err := os.MkdirAll(at, 0o700); err != nil {
		return err
	}
	var errs []error
	write := func(name string, text []byte) {
		errs = append(errs, os.WriteFile(filepath.Join(at, name), text, 0o600))
	}
	for _, f := range n.plan().Files {
		if f.Content != "" {
			write(f.EvidenceName(), agentconf.Redact([]byte(f.Content)))
		}
	}
	if state, err := n.State(ctx); err == nil {
		text, _ := json.MarshalIndent(state, "", "  ")
		write("state.json", text)
	}
	if n.certificate != nil {
		write("certificate-given.txt", n.describe(n.certificate))
	}
	return errors.Join(append(errs, n.saveLog(ctx, filepath.Join(at, "agent.log")))...)
}

// selfEvidence writes the certificate and the configuration that the agent itself presents, if it answers.
func (n *Node) selfEvidence(ctx context.Context, at string) error {
	ctx, cancel := deadline.Fair(ctx, answerTimeout)
	defer cancel()
	var errs []error
	if shown, err := n.Certificate(ctx); err == nil {
		text := n.describe(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: shown.Raw}))
		errs = append(errs, os.WriteFile(filepath.Join(at, "certificate-shown.txt"), text, 0o600))
	}
	var self api.AgentSelf
	if err := n.get(ctx, "/v1/agent/self", &self); err == nil {
		text, _ := json.MarshalIndent(self, "", "  ")
		errs = append(errs, os.WriteFile(filepath.Join(at, "agent-self.json"), agentconf.Redact(text), 0o600))
	}
	return errors.Join(errs...)
}

// describe returns a certificate (PEM) in words.
func (n *Node) describe(certificate []byte) []byte {
	return []byte(pki.Credential{Identity: n.plan().Identity, CAPEM: n.lab.Credential().CAPEM, CertPEM: certificate}.Describe())
}

func (n *Node) saveLog(ctx context.Context, path string) error {
	logs, err := n.Logs(ctx, false)
	if err != nil {
		return err
	}
	defer func() { _ = logs.Close() }()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, logs)
	return errors.Join(err, file.Close())
}
