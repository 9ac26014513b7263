package vault_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
)

// user returns the credential of the lab's user.
func user(t *testing.T, s *server) pki.Credential {
	t.Helper()
	issued, err := s.authority.Issue(t.Context(), authority.Request{Identity: userID})
	if err != nil {
		t.Fatal(err)
	}
	return issued[0]
}

// leader asks the agent who leads, and returns how many certificates it presented.
func (n *node) leader(ctx context.Context, config *tls.Config) (presented int, err error) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+n.address+"/v1/status/leader", nil)
	if err != nil {
		return 0, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	_ = answer.Body.Close() // only the status matters
	if answer.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %d", answer.StatusCode)
	}
	return len(answer.TLS.PeerCertificates), nil
}

// awaitLeader waits until the agent answers the user.
func (n *node) awaitLeader(t *testing.T, config *tls.Config) (presented int) {
	t.Helper()
	err := poll.Until(within(t), "Nomad answers", func(ctx context.Context) string {
		var err error
		if presented, err = n.leader(ctx, config); err != nil {
			return err.Error()
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	return presented
}

// TestNomadUnderConsulTemplate: a real Nomad starts with what Vault issued, serves the chain or lacks it, gets the signals, and ends
// with consul-template, unless that is killed.
func TestNomadUnderConsulTemplate(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		credential := user(t, s)
		config, err := credential.ClientTLS(serverID.Name())
		if err != nil {
			t.Fatal(err)
		}
		n := newAgent(t, s, s == running.published)
		n.start(t)
		agent := n.awaitChild(t)
		wantPresented := map[bool]int{true: 1, false: 2}[s == running.published]
		if presented := n.awaitLeader(t, config); presented != wantPresented {
			t.Errorf("Nomad presents %d certificates, want %d", presented, wantPresented)
		}
		wantRefused(t, n, s, credential)
		n.hangUp(t)
		if again := n.agent(); again != agent {
			t.Errorf("after SIGHUP the agent is %d, and was %d", again, agent)
		}
		n.awaitLeader(t, config)
		n.stop(t)
		if !strings.Contains(n.log.String(), "Caught signal: terminated") {
			t.Errorf("Nomad did not get SIGTERM:\n%s", n.log)
		}
		// A consul-template that is killed leaves its Nomad: an engine must find it by its own mark.
		n.start(t)
		agent = n.awaitChild(t)
		n.awaitLeader(t, config)
		if err := n.process.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_, _ = n.process.Process.Wait() // not Wait of the command: the orphan still has its output
		if _, err := n.leader(within(t), config); err != nil {
			t.Errorf("the orphan %d: %v", agent, err)
		}
		if err := syscall.Kill(agent, syscall.SIGKILL); err != nil {
			t.Errorf("the orphan %d: %v", agent, err)
		}
	})
}

// wantRefused expects callers to be refused who differ from the user in one thing.
func wantRefused(t *testing.T, n *node, s *server, credential pki.Credential) {
	t.Helper()
	anonymous, err := credential.AnonymousTLS(serverID.Name())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.leader(t.Context(), anonymous); err == nil {
		t.Error("Nomad answers a caller without a certificate")
	}
	credential.CAPEM = s.authority.RootPEM()
	rootAlone, err := credential.ClientTLS(serverID.Name())
	if err != nil {
		t.Fatal(err)
	}
	_, err = n.leader(t.Context(), rootAlone)
	if verified := err == nil; verified != (s == running.safe) {
		t.Errorf("who trusts the root alone: %v", err)
	}
}

// hangUp sends SIGHUP to consul-template and waits until Nomad has got it.
func (n *node) hangUp(t *testing.T) {
	t.Helper()
	if err := n.process.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	err := poll.Until(within(t), "Nomad reloads", func(context.Context) string {
		if !strings.Contains(n.log.String(), "Caught signal: hangup") {
			return "no signal in its log"
		}
		return ""
	})
	if err != nil {
		t.Error(err)
	}
}

// TestTheAgentWaitsForVault: the safe form waits for a sealed Vault without an end, and SIGTERM ends the wait.
func TestTheAgentWaitsForVault(t *testing.T) {
	s := safe(t)
	n := newNode(t, s, serverID, false, waits())
	if err := s.authority.Client().Seal(t.Context(), s.authority.Keys().Root); err != nil {
		t.Fatal(err)
	}
	open := func() {
		if err := s.authority.Unseal(within(t)); err != nil {
			t.Error(err)
		}
	}
	n.start(t)
	err := poll.Until(within(t), "consul-template is refused", func(context.Context) string {
		if strings.Count(n.log.String(), "retry attempt") < 2 {
			return "its log: " + n.log.String()
		}
		return ""
	})
	if err != nil {
		open()
		t.Fatal(err)
	}
	if _, err := os.Stat(n.CertFile()); n.agent() != 0 || err == nil {
		t.Error("the agent runs without a certificate")
	}
	if err := n.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	n.wait(t)
	n.start(t)
	open()
	n.awaitChild(t)
}
