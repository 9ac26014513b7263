package scenarios

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// reloads proves which reloads do nothing, which one ends an agent, and which one keeps the old certificate.
func reloads() scenario.Scenario {
	s := changeSpec()
	// The line is there to be changed. With it a lab on this machine's loopback counts as one that may lack a protection, and so
	// runs no command of whoever calls it while it does.
	s.Overrides = []spec.Override{{Path: "tls.tls_min_version", Value: `"tls12"`}}
	return scenario.Scenario{
		Name:  "some-reloads-do-nothing-and-one-ends-the-agent",
		Claim: "A reload that changes a protection alone changes nothing, in either direction, whatever the agent says of itself; with a new certificate it does. A CA file without a certificate ends the agent, a key that does not match changes nothing.",
		Spec:  s,
		Steps: func() []scenario.Step { return (&reloading{}).steps() },
	}
}

// reloading is what the steps share.
type reloading struct {
	change
	nodes    []*lab.Node
	settings []silentSetting
	// renews has the certificates renewed where settings alone are to change, which is the scenario's wrong twin.
	renews bool
}

// errNoSettings is the error of a step that needs what the step before did not do.
var errNoSettings = errors.New("no setting was changed: see the step that does it")

func (r *reloading) steps() []scenario.Step {
	return []scenario.Step{
		r.begin(),
		{Title: "One protection at each agent is changed, and nothing else: the agents say so, and behave as before", Do: r.firstAlone},
		{Title: "With a new certificate the reload reads these settings too", Do: r.firstWithCertificate},
		{Title: "The settings are changed back, and nothing else: the agents behave as if they were not", Do: r.backAlone},
		{Title: "With a new certificate the protections are back", Do: r.backWithCertificate},
		{Title: "A certificate whose key does not match: the agent keeps the old one, until the key matches", Do: r.mismatch},
		{Title: "A CA file without a certificate ends the agent; the others go on, and it comes back once the file is sound", Do: r.noAuthority},
		r.end("Nothing was lost: each acknowledged write is there, no call failed after retry, and each allocation stayed"),
	}
}

// silentSetting is a setting that a reload does not read alone.
type silentSetting struct {
	// id is the catalogue's number of the claim.
	id   string
	node *lab.Node
	path string
	// changed and original are the values, as HCL literals.
	changed, original string
	// said returns what the agent says of the setting itself.
	said func(agentTLS) string
	// wantSaid is what it says of the changed and the original value.
	wantSaid [2]string
	// probe shows the setting's effect.
	probe probe.Probe
	// originally is the probe's outcome with the original value, and changing that with the changed one; each with a control.
	originally, changing               posture.Want
	originallyControl, changingControl probe.Probe
}

// agentTLS is what an agent says of its TLS settings.
type agentTLS struct {
	VerifyHTTPSClient, VerifyServerHostname, RPCUpgradeMode bool
	TLSMinVersion                                           string
}

// silentSettings returns the settings, one for each node: three servers and a client.
func silentSettings(l *lab.Lab, nodes []*lab.Node) ([]silentSetting, error) {
	cli, err := as(l, pki.CLI, pki.DefaultRegion)
	if err != nil {
		return nil, err
	}
	server, err := as(l, pki.Server, pki.DefaultRegion)
	if err != nil {
		return nil, err
	}
	nobody := probe.Anonymous(l.Credential())
	const self, leader = "/v1/agent/self", "Status.Leader"
	refused := posture.Want{probe.RefusedInHandshake}
	return []silentSetting{
		{
			id: "verify-https-client", node: nodes[0], path: "tls.verify_https_client", changed: "false", original: "true",
			said: func(c agentTLS) string { return fmt.Sprint(c.VerifyHTTPSClient) }, wantSaid: [2]string{"false", "true"},
			probe: probe.HTTP(self, nobody), originally: refused, originallyControl: probe.HTTP(self, cli),
			changing: posture.Accepted(), changingControl: probe.PlainHTTP(self),
		},
		{
			id: "verify-server-hostname", node: nodes[1], path: "tls.verify_server_hostname", changed: "false", original: "true",
			said: func(c agentTLS) string { return fmt.Sprint(c.VerifyServerHostname) }, wantSaid: [2]string{"false", "true"},
			probe: probe.RPC(leader, cli), originally: refused, originallyControl: probe.RPC(leader, server),
			changing: posture.Accepted(), changingControl: probe.RPC(leader, nobody),
		},
		{
			id: "rpc-upgrade-mode", node: nodes[2], path: "tls.rpc_upgrade_mode", changed: "true", original: "false",
			said: func(c agentTLS) string { return fmt.Sprint(c.RPCUpgradeMode) }, wantSaid: [2]string{"true", "false"},
			probe: probe.PlainRPC(probe.FramingNomad), originally: refused, originallyControl: probe.RPC(leader, server),
			changing: posture.Accepted(), changingControl: probe.RPC(leader, nobody),
		},
		{
			id: "tls-min-version", node: nodes[3], path: "tls.tls_min_version", changed: `"tls13"`, original: `"tls12"`,
			said: func(c agentTLS) string { return c.TLSMinVersion }, wantSaid: [2]string{"tls13", "tls12"},
			probe: probe.HTTP(self, cli.TLSAtMost(tls.VersionTLS12)), originally: posture.Accepted(), originallyControl: probe.HTTP(self, cli.TLSAtMost(tls.VersionTLS11)),
			changing: refused, changingControl: probe.HTTP(self, cli),
		},
	}, nil
}

// firstAlone changes each setting alone.
func (r *reloading) firstAlone(ctx context.Context, t *scenario.T) error {
	if r.work == nil {
		return errNoWork
	}
	var err error
	if r.nodes, err = inOrder(ctx, t.Lab); err != nil {
		return err
	}
	settings, err := silentSettings(t.Lab, r.nodes)
	if err != nil {
		return err
	}
	for _, s := range settings {
		if err := r.setAlone(ctx, t, s, s.changed, s.wantSaid[0]); err != nil {
			return err
		}
	}
	r.settings = settings
	for _, s := range settings {
		if err := s.check(ctx, t, "is-ignored-alone", s.originally, s.originallyControl); err != nil {
			return err
		}
	}
	return r.posture(ctx, t, between)
}

// backAlone changes each setting back, alone.
func (r *reloading) backAlone(ctx context.Context, t *scenario.T) error {
	if len(r.settings) == 0 {
		return errNoSettings
	}
	for _, s := range r.settings {
		if err := r.setAlone(ctx, t, s, s.original, s.wantSaid[1]); err != nil {
			return err
		}
	}
	for _, s := range r.settings {
		if err := s.check(ctx, t, "is-ignored-alone-on-the-way-back", s.changing, s.changingControl); err != nil {
			return err
		}
	}
	return nil
}

// check demands that the probe still has the outcome that it had.
func (s silentSetting) check(ctx context.Context, t *scenario.T, claim string, want posture.Want, control probe.Probe) error {
	return check(ctx, t, s.node, posture.Spec{
		ID: s.id + "-" + claim, Title: "a reload does not read " + s.path + " if no certificate, key or CA changes with it", Severity: posture.High,
		Why: "a reload takes the tls block only if the content of its files, tls.http or tls.rpc changes (command/agent/agent.go:1537, " +
			"helper/tlsutil/config.go:467; verified against Nomad 1.11.3)",
		Probe: s.probe, Want: want, Control: control, Settings: []string{s.path},
	})
}

// setAlone writes the setting, reloads the agent, and waits until it has read it: what it says of itself then is the new value.
func (r *reloading) setAlone(ctx context.Context, t *scenario.T, s silentSetting, value, said string) error {
	steps, err := r.settingAlone(ctx, s.node, s.path, value)
	if err != nil {
		return err
	}
	p := rollout.Plan{Title: "set " + s.path + " alone", Steps: steps}
	if r.renews {
		renewal, err := r.renewal(t.Lab, []*lab.Node{s.node})
		if err != nil {
			return err
		}
		p.Steps = append(p.Steps, renewal.Steps...)
	}
	if _, err := rollout.Run(ctx, t.Lab, p, rollout.Options{Recorder: r.recorder}); err != nil {
		return err
	}
	self, err := tlsOf(ctx, s.node)
	if err != nil {
		return err
	}
	if s.said(self) != said {
		return fmt.Errorf("%s says that its %s is %q, want %q", s.node.Name(), s.path, s.said(self), said)
	}
	t.Say("%s says that its %s is %s", s.node.Name(), s.path, said)
	return nil
}

// settingAlone returns two steps. The first changes the setting and nothing else. The second changes the log level, which a reload
// reads: the agent handles one reload after another, so that it is done with the first when it says that it logs at that level.
func (r *reloading) settingAlone(ctx context.Context, n *lab.Node, path, value string) ([]rollout.Step, error) {
	file, err := configurationOf(ctx, n)
	if err != nil {
		return nil, err
	}
	first := file
	if first.Data, err = agentconf.Edit(file.Data, path, value); err != nil {
		return nil, err
	}
	second, level, err := r.otherLevel(n, first)
	if err != nil {
		return nil, err
	}
	return []rollout.Step{
		{Node: n.Name(), Title: "set " + path + " = " + value, Files: []rollout.File{first}, Effect: rollout.Reload, Why: "to show that it does nothing"},
		{Node: n.Name(), Title: "set log_level = " + level, Files: []rollout.File{second}, Effect: rollout.Reload, Why: "a reload reads it", Await: []rollout.Await{logsAt(n, level)}},
	}, nil
}

// otherLevel returns the file with another log level than the agent has.
func (r *reloading) otherLevel(n *lab.Node, file rollout.File) (rollout.File, string, error) {
	const usual, other = "INFO", "DEBUG"
	level := other
	if strings.Contains(string(file.Data), other) {
		level = usual
	}
	text, err := agentconf.Edit(file.Data, "log_level", fmt.Sprintf("%q", level))
	if err != nil {
		return rollout.File{}, "", fmt.Errorf("the configuration of %s: %w", n.Name(), err)
	}
	file.Data = text
	return file, level, nil
}

// logsAt waits until the agent says that it logs at that level.
func logsAt(n *lab.Node, level string) rollout.Await {
	return rollout.Await{What: n.Name() + " logs at " + level, Met: func(ctx context.Context, _ *lab.Lab) error {
		var self struct {
			Config struct{ LogLevel string } `json:"config"`
		}
		if err := aboutItself(ctx, n, &self); err != nil {
			return err
		}
		if self.Config.LogLevel != level {
			return fmt.Errorf("%s logs at %s", n.Name(), self.Config.LogLevel)
		}
		return nil
	}}
}

// tlsOf returns what the agent says of its TLS settings.
func tlsOf(ctx context.Context, n *lab.Node) (agentTLS, error) {
	var self struct {
		Config struct{ TLSConfig agentTLS } `json:"config"`
	}
	err := aboutItself(ctx, n, &self)
	return self.Config.TLSConfig, err
}

// aboutItself asks the agent about itself.
func aboutItself(ctx context.Context, n *lab.Node, out any) error {
	client, err := n.API()
	if err != nil {
		return err
	}
	if _, err := client.Raw().Query("/v1/agent/self", out, asking(ctx)); err != nil {
		return fmt.Errorf("ask %s about itself: %w", n.Name(), err)
	}
	return nil
}

// configurationOf returns the file of the agent's configuration that has its tls block, as it is now.
func configurationOf(ctx context.Context, n *lab.Node) (rollout.File, error) {
	for _, f := range n.Plan().Files {
		if path.Ext(f.Path) != ".hcl" || !strings.Contains(f.Content, "cert_file") {
			continue
		}
		text, ok, err := n.ReadFile(ctx, f.Path)
		if err != nil || !ok {
			return rollout.File{}, fmt.Errorf("read %s of %s (there: %t): %w", f.Path, n.Name(), ok, err)
		}
		return rollout.File{Path: f.Path, Mode: f.Mode, What: "agent configuration", Data: text}, nil
	}
	return rollout.File{}, fmt.Errorf("no file of %s has its tls block", n.Name())
}

// renewal returns the plan that renews those nodes' certificates.
func (r *reloading) renewal(l *lab.Lab, nodes []*lab.Node) (rollout.Plan, error) {
	fresh, err := rollout.Issue(l.Authority(), nodes)
	if err != nil {
		return rollout.Plan{}, err
	}
	return rollout.Renew(nodes, fresh)
}

// firstWithCertificate renews all certificates, and waits until each setting has its changed effect.
func (r *reloading) firstWithCertificate(ctx context.Context, t *scenario.T) error {
	return r.withCertificate(ctx, t, func(s silentSetting) posture.Want { return s.changing })
}

// backWithCertificate renews all certificates, and waits until each setting has its original effect.
func (r *reloading) backWithCertificate(ctx context.Context, t *scenario.T) error {
	return r.withCertificate(ctx, t, func(s silentSetting) posture.Want { return s.originally })
}

func (r *reloading) withCertificate(ctx context.Context, t *scenario.T, want func(silentSetting) posture.Want) error {
	if len(r.settings) == 0 {
		return errNoSettings
	}
	p, err := r.renewal(t.Lab, r.nodes)
	if err != nil {
		return err
	}
	if _, err := rollout.Run(ctx, t.Lab, p, rollout.Options{Recorder: r.recorder}); err != nil {
		return err
	}
	for _, s := range r.settings {
		if err := poll.Until(ctx, s.path+" to take effect", func(ctx context.Context) string {
			if o := s.probe.Observe(ctx, inspect.Target(s.node)); !slices.Contains(want(s), o.Outcome) {
				return fmt.Sprintf("%s: %s", o.Outcome, o.Received)
			}
			return ""
		}); err != nil {
			return err
		}
		t.Say("%s: %s now is %s", s.node.Name(), s.probe.Sentence, want(s)[0])
	}
	return nil
}

// mismatch gives a server a certificate without its key, and then the key.
func (r *reloading) mismatch(ctx context.Context, t *scenario.T) error {
	if len(r.nodes) == 0 {
		return errNoSettings
	}
	n := r.nodes[0]
	p, err := r.renewal(t.Lab, r.nodes[:1])
	if err != nil {
		return err
	}
	was, err := n.Certificate(ctx)
	if err != nil {
		return err
	}
	mark, err := n.Log().Mark()
	if err != nil {
		return err
	}
	whole := p.Steps[0]
	half := whole
	half.Title, half.Await = "take a certificate without its key", nil
	half.Files = slices.DeleteFunc(slices.Clone(whole.Files), func(f rollout.File) bool { return f.What == "private key" })
	if _, err := rollout.Run(ctx, t.Lab, rollout.Plan{Title: half.Title, Steps: []rollout.Step{half}}, rollout.Options{Recorder: r.recorder}); err != nil {
		return err
	}
	const why = "private key does not match public key"
	if err := poll.Until(ctx, n.Name()+" to say that it does not take the certificate", func(context.Context) string {
		if sinceMark(n, mark, why, "") == "" {
			return "its log does not say so"
		}
		return ""
	}); err != nil {
		return err
	}
	now, err := n.Certificate(ctx)
	if err != nil {
		return err
	}
	if !now.Equal(was) {
		return fmt.Errorf("%s serves the certificate %x, want the old one, %x", n.Name(), now.SerialNumber, was.SerialNumber)
	}
	t.Say("%s\n%s keeps its certificate", sinceMark(n, mark, why, ""), n.Name())
	_, err = rollout.Run(ctx, t.Lab, p, rollout.Options{Recorder: r.recorder}) // which waits until the new one is served
	return err
}

// noAuthority gives a follower a CA file that has no certificate. As a control it first gets one with a further line.
func (r *reloading) noAuthority(ctx context.Context, t *scenario.T) error {
	if len(r.nodes) == 0 {
		return errNoSettings
	}
	n := r.nodes[0]
	ca, err := authorityFileOf(ctx, n)
	if err != nil {
		return err
	}
	longer, garbage := ca, ca
	longer.Data, garbage.Data = append(slices.Clone(ca.Data), '\n'), []byte("this is no certificate\n")
	step := func(f rollout.File, title string, await ...rollout.Await) rollout.Plan {
		return rollout.Plan{Title: title, Steps: []rollout.Step{{
			Node: n.Name(), Title: title, Files: []rollout.File{f}, Effect: rollout.Reload, Why: "a reload reads the CA file", Await: await,
		}}}
	}
	sound, err := r.soundAuthority(ctx, n, step(longer, "read a CA file with an empty line more"))
	if err != nil {
		return err
	}
	if _, err := rollout.Run(ctx, t.Lab, sound, rollout.Options{Recorder: r.recorder}); err != nil {
		return err
	}
	if _, err := rollout.Run(ctx, t.Lab, step(garbage, "read a CA file without a certificate", ended(n), rollout.LeaderKnown(n.Region())), rollout.Options{Recorder: r.recorder}); err != nil {
		return err
	}
	s, err := n.State(ctx)
	if err != nil {
		return err
	}
	leader, err := t.Lab.Leader(ctx, "")
	if err != nil {
		return fmt.Errorf("the other servers: %w", err)
	}
	t.Say("%s has ended with exit code %d; %s leads", n.Name(), s.ExitCode, leader.Name())
	if err := n.Write(ctx, engine.File{Path: ca.Path, Mode: ca.Mode, Data: ca.Data}); err != nil {
		return err
	}
	if err := n.Start(ctx); err != nil {
		return err
	}
	return ready(ctx, t.Lab)
}

// soundAuthority returns the plan with a further reload after it, so that the first is over.
func (r *reloading) soundAuthority(ctx context.Context, n *lab.Node, p rollout.Plan) (rollout.Plan, error) {
	file, err := configurationOf(ctx, n)
	if err != nil {
		return p, err
	}
	file, level, err := r.otherLevel(n, file)
	p.Steps = append(p.Steps, rollout.Step{
		Node: n.Name(), Title: "set log_level = " + level, Files: []rollout.File{file}, Effect: rollout.Reload, Why: "a reload reads it",
		Await: append([]rollout.Await{logsAt(n, level)}, rollout.Settled(n)...),
	})
	return p, err
}

// authorityFileOf returns the node's CA bundle.
func authorityFileOf(ctx context.Context, n *lab.Node) (rollout.File, error) {
	for _, f := range n.Plan().Files {
		if f.Secret == plan.CACertificate {
			data, ok, err := n.ReadFile(ctx, f.Path)
			if err != nil || !ok {
				return rollout.File{}, fmt.Errorf("read %s of %s (there: %t): %w", f.Path, n.Name(), ok, err)
			}
			return rollout.File{Path: f.Path, Mode: f.Mode, What: "CA bundle", Data: data}, nil
		}
	}
	return rollout.File{}, fmt.Errorf("%s has no CA bundle", n.Name())
}

// ended waits until the agent has ended.
func ended(n *lab.Node) rollout.Await {
	return rollout.Await{What: n.Name() + " has ended", Met: func(ctx context.Context, _ *lab.Lab) error {
		s, err := n.State(ctx)
		if err == nil && s.Running {
			err = fmt.Errorf("%s runs", n.Name())
		}
		return err
	}}
}
