package scenarios

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// vaultLife is how long a certificate of the lab is valid: the shortest life that a lab takes, so that it is renewed soon.
const vaultLife = time.Minute

// vaultRenews proves that consul-template renews certificates on a running cluster without losing work.
func vaultRenews() scenario.Scenario { return vaultRenewing(1) }

func vaultRenewing(times int) scenario.Scenario {
	s := changeSpec()
	s.Authority.Source = spec.VaultSource
	s.Certificates.TTL = vaultLife
	return scenario.Scenario{
		Name: "vault-renews-while-work-runs",
		Claim: "consul-template renews each agent's certificate before it expires, and has the agent reload it; " +
			"nothing that runs on the cluster is lost.",
		Spec:  s,
		Able:  vaultIsHere,
		Steps: func() []scenario.Step { return (&vaultRenewal{times: times}).steps() },
	}
}

// vaultRenewal is what the steps share.
type vaultRenewal struct {
	change
	// times is how often each agent's certificate is to be renewed.
	times int
	// disturb is done once the work runs. Nil: nothing.
	disturb action
}

func (v *vaultRenewal) steps() []scenario.Step {
	begin := v.begin()
	started := begin.Do
	begin.Do = func(ctx context.Context, t *scenario.T) error {
		if err := v.renewOwn(ctx, t); err != nil {
			return err
		}
		if err := started(ctx, t); err != nil || v.disturb == nil {
			return err
		}
		return v.disturb(ctx, t)
	}
	return []scenario.Step{
		begin,
		{
			Title:  fmt.Sprintf("Vault and consul-template renew each node's certificate: %d more", v.times),
			Within: time.Duration(v.times)*vaultLife + deadline.Hang,
			Do:     v.renewed,
		},
		v.end("Nothing was lost: each acknowledged write is there, no call failed after retry, and each allocation stayed"),
	}
}

// ownInterval is how often it is looked whether the lab's own certificate must be renewed: often in its life.
const ownInterval = vaultLife / 20

// renewOwn renews the certificate of the lab's own calls now, and whenever half of its life is over, until the scenario ends: it
// lives as long as the agents', and no consul-template renews it.
func (v *vaultRenewal) renewOwn(ctx context.Context, t *scenario.T) error {
	if err := renewCLI(ctx, t.Lab); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = poll.Every(ctx, ownInterval, func() bool {
			if until, err := t.Lab.Credential().NotAfter(); err == nil && time.Until(until) < vaultLife/2 {
				_ = renewCLI(ctx, t.Lab) // what the next look tries again, and the load would notice
			}
			return false
		})
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return nil
}

// renewCLI asks the lab's Vault for another certificate for the lab's own calls.
func renewCLI(ctx context.Context, l *lab.Lab) error {
	v, err := l.Vault(ctx)
	if err != nil {
		return err
	}
	fresh, err := v.Issue(ctx, authority.Request{Identity: l.Credential().Identity})
	if err != nil {
		return fmt.Errorf("renew the certificate of the lab's own calls: %w", err)
	}
	return l.Adopt(lab.Access{CLI: &fresh[0]})
}

// renewed waits until each agent has served so many further certificates, on HTTP and on RPC, none of them expired.
func (v *vaultRenewal) renewed(ctx context.Context, t *scenario.T) error {
	if v.work == nil {
		return errNoWork
	}
	began := time.Now()
	seen := map[string]map[string]bool{} // the serial numbers at each port
	var expired error
	err := poll.Until(ctx, "each agent to serve a renewed certificate", func(ctx context.Context) string {
		missing := ""
		for _, n := range rollout.Members(t.Lab) {
			for port, look := range portsOf(n) {
				at := n.Name() + " " + port
				c, err := look(ctx)
				if invalid, is := errors.AsType[x509.CertificateInvalidError](err); is && invalid.Reason == x509.Expired {
					expired = fmt.Errorf("%s serves a certificate that has ended: %w", at, err)
					return ""
				}
				if err != nil {
					missing = err.Error()
					continue
				}
				if seen[at] == nil {
					seen[at] = map[string]bool{}
				}
				seen[at][c.SerialNumber.String()] = true
				if got := len(seen[at]) - 1; got < v.times {
					missing = fmt.Sprintf("%s has had %d new certificates of %d", at, got, v.times)
				}
			}
		}
		return missing
	})
	if err = errors.Join(err, expired); err != nil {
		return err
	}
	t.Say("%d ports have each served %d new certificates after %.0f s, of a life of %.0f s", len(seen), v.times, time.Since(began).Seconds(), vaultLife.Seconds())
	return nil
}

// portsOf returns how to see the certificate at each port of a node.
func portsOf(n *lab.Node) map[string]func(context.Context) (*x509.Certificate, error) {
	ports := map[string]func(context.Context) (*x509.Certificate, error){"HTTP": n.Certificate}
	if n.Role() == pki.Server {
		ports["RPC"] = n.RPCCertificate
	}
	return ports
}
