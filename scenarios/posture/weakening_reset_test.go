package posture_test

import (
	"bytes"
	"context"
	"fmt"
	"path"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
)

// leftReset is the file by which an operator who has lost the management token may bootstrap the ACLs a second time, left
// behind. Nomad reads it each time that somebody asks (nomad/acl_endpoint.go, fileBootstrapResetIndex).
func leftReset() weakening {
	return weakening{
		id: "bootstrap-reset", line: "a file acl-bootstrap-reset, with the index of the bootstrap, in data_dir/server of servers",
		spec:   quickPolicies(),
		breaks: []string{"server-lets-nobody-bootstrap-acls-again"},
		after: func(ctx context.Context, l *lab.Lab) error {
			return eachReset(ctx, l, func(index uint64, file string) []string {
				return []string{"sh", "-c", fmt.Sprintf("echo %d > '%s'", index, file)}
			})
		},
		undo: func(ctx context.Context, l *lab.Lab) error {
			return eachReset(ctx, l, func(_ uint64, file string) []string { return []string{"rm", "-f", file} })
		},
	}
}

// notBootstrapped is a cluster whose clients, had it any, could ask for the first management token.
func notBootstrapped() weakening {
	return weakening{
		id: "not-bootstrapped", line: "no `nomad acl bootstrap` before clients are admitted",
		spec:   []lab.Option{lab.NotBootstrapped(), lab.Clients(0)},
		breaks: []string{"rpc-gives-no-first-token-to-a-client", "server-lets-nobody-bootstrap-acls-again"},
	}
}

// eachReset runs the command on each server, for the index of the bootstrap and the path of the file.
func eachReset(ctx context.Context, l *lab.Lab, command func(index uint64, file string) []string) error {
	for _, n := range l.Servers() {
		server, err := n.API()
		if err != nil {
			return err
		}
		self, err := server.Agent().Self()
		if err != nil {
			return fmt.Errorf("ask %s where its data is: %w", n.Name(), err)
		}
		data, _ := self.Config["DataDir"].(string)
		// The token that the bootstrap made was made at its index.
		token, _, err := server.ACLTokens().Self(nil)
		if err != nil {
			return fmt.Errorf("ask for the index of the bootstrap: %w", err)
		}
		var trouble bytes.Buffer
		code, err := n.Exec(ctx, engine.Command{
			Args:    command(token.CreateIndex, path.Join(data, "server", "acl-bootstrap-reset")),
			Streams: engine.Streams{Stderr: &trouble},
		})
		if err != nil || code != 0 {
			return fmt.Errorf("change the file of %s: the command ended with %d: %s: %w", n.Name(), code, trouble.String(), err)
		}
	}
	return nil
}
