package rollout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// Target is what a running lab is to become.
type Target struct {
	// Title is what the rollout does, as a short sentence without a subject.
	Title string
	// Spec is the lab's Spec from then on. It has the nodes that the lab has.
	Spec spec.Spec
	// Nodes are the nodes that change, in this order. Nil: all, in the order of Order.
	Nodes []*lab.Node
	// Credentials are new certificates by the node's name. A node without one keeps what it has; one that has none yet gets the
	// user's, or a new one of the lab's authority.
	Credentials map[string]pki.Credential
	// GossipKey is what the files of servers have. Empty: the lab's.
	GossipKey string
	// Choose says how the change of a node takes effect. Nil: the gentlest way; see Choose.
	Choose func(n *lab.Node, lines []Line, material bool) (Effect, string)
	// Await returns what is awaited before the next node. Nil: Settled.
	Await func(n *lab.Node) []Await
}

// Toward returns the rollout that makes the lab what the target says. For each node it compares the planned files with those that
// the node has now; a node without a difference gets no step. It reads from the nodes and changes nothing.
func Toward(ctx context.Context, l *lab.Lab, t Target) (Plan, error) {
	planned, err := l.Replan(t.Spec)
	if err != nil {
		return Plan{}, err
	}
	nodes := t.Nodes
	if nodes == nil {
		leader, _ := l.Leader(ctx, "") // without a leader any order is as good
		nodes = Order(Members(l), nameOf(leader))
	}
	p := Plan{Title: t.Title}
	for _, n := range nodes {
		at := slices.IndexFunc(planned.Nodes, func(o plan.Node) bool { return o.Name == n.Name() })
		if at < 0 {
			return Plan{}, fmt.Errorf("the target has no node %s", n.Name())
		}
		next, err := keepPaths(n, planned.Nodes[at])
		if err != nil {
			return Plan{}, fmt.Errorf("the target of %s: %w", n.Name(), err)
		}
		s, err := t.step(ctx, l, n, next)
		if err != nil {
			return Plan{}, fmt.Errorf("compare the files of %s: %w", n.Name(), err)
		}
		if len(s.Files) > 0 || s.Effect != Nothing {
			p.Steps = append(p.Steps, s)
		}
	}
	before, was := l.Spec(), l.Plan()
	p.Steps = append(p.Steps, Step{Title: "the lab is what the new configuration says", Effect: Nothing, Call: Call{
		Do:   func(_ context.Context, l *lab.Lab) error { return l.Become(t.Spec, planned) },
		Back: func(_ context.Context, l *lab.Lab) error { return l.Become(before, was) },
	}})
	return p, nil
}

// keepPaths returns the planned node with certificate and key where the node has them since a renewal at new paths: a plan
// knows nothing of that.
func keepPaths(n *lab.Node, next plan.Node) (plan.Node, error) {
	now, err := materialOf(n)
	if err != nil || now.cert.Origin != "" {
		return next, nil //nolint:nilerr // a node without such files has none to keep
	}
	next.Files = slices.Clone(next.Files)
	for setting, file := range map[string]plan.File{"tls.cert_file": now.cert, "tls.key_file": now.key} {
		at := slices.IndexFunc(next.Files, func(f plan.File) bool { return f.Secret == file.Secret })
		if at < 0 || !strings.Contains(file.Path, serialMark) || next.Files[at].Path == file.Path {
			continue
		}
		next.Files[at].Path = file.Path
		config := slices.IndexFunc(next.Files, func(f plan.File) bool { return isConfiguration(f) && strings.Contains(f.Content, "cert_file") })
		if config < 0 {
			continue
		}
		text, err := agentconf.Edit([]byte(next.Files[config].Content), setting, fmt.Sprintf("%q", file.Path))
		if err != nil {
			return plan.Node{}, err
		}
		next.Files[config].Content = string(text)
	}
	return next, nil
}

func nameOf(n *lab.Node) string {
	if n == nil {
		return ""
	}
	return n.Name()
}

// step returns the change of one node to what is planned.
func (t Target) step(ctx context.Context, l *lab.Lab, n *lab.Node, next plan.Node) (Step, error) {
	c, err := t.credential(ctx, l, n, next)
	if err != nil {
		return Step{}, err
	}
	gossip := t.GossipKey
	if gossip == "" {
		gossip = l.GossipKey()
	}
	files, err := changed(ctx, n, next, l.FilesOf(next, c, gossip))
	if err != nil {
		return Step{}, err
	}
	lines := Lines(configuration(n.Plan(), nil), configuration(next, files), hasMaterial(files))
	choose := t.Choose
	if choose == nil {
		choose = func(_ *lab.Node, lines []Line, material bool) (Effect, string) { return Choose(lines, material) }
	}
	effect, why := choose(n, lines, hasMaterial(files))
	settled := Settled
	if t.Await != nil {
		settled = t.Await
	}
	return Step{
		Node: n.Name(), Title: t.Title, Files: files, Effect: effect, Why: why,
		Revise: func(p *plan.Node) { *p = next }, Await: settled(n),
	}, nil
}

// credential returns the certificate that the node is to have.
func (t Target) credential(ctx context.Context, l *lab.Lab, n *lab.Node, next plan.Node) (pki.Credential, error) {
	if c, ok := t.Credentials[n.Name()]; ok || !next.HasCertificate() {
		return c, nil
	}
	if next.UserCertificate {
		return *t.Spec.Configuration.Of(next.Role).Credential, nil
	}
	c, err := n.CredentialOf(ctx)
	if !errors.Is(err, fs.ErrNotExist) {
		return c, err
	}
	issued, err := Issue(l.Authority(), []*lab.Node{n})
	return issued[n.Name()], err
}

// changed returns the files that differ from what the node has, and an empty one for each file of its configuration that it is to
// have no more.
func changed(ctx context.Context, n *lab.Node, next plan.Node, files []engine.File) ([]File, error) {
	var out []File
	for i, f := range files {
		what := whatOf(next, f.Path)
		if f.Mode.IsDir() {
			if hasFolder(n.Plan(), f.Path) {
				continue
			}
			out = append(out, File{Path: f.Path, Mode: f.Mode})
			continue
		}
		now, ok, err := n.ReadFile(ctx, f.Path)
		if err != nil {
			return nil, err
		}
		if !ok || !bytes.Equal(now, files[i].Data) {
			out = append(out, File{Path: f.Path, Mode: f.Mode, What: what, Data: f.Data})
		}
	}
	for _, f := range n.Plan().Files {
		gone := !slices.ContainsFunc(files, func(o engine.File) bool { return o.Path == f.Path })
		if gone && isConfiguration(f) {
			out = append(out, File{Path: f.Path, Mode: f.Mode, What: "configuration that is no more", Data: emptied(f.Path)})
		}
	}
	return out, nil
}

func hasFolder(p plan.Node, folder string) bool {
	return slices.ContainsFunc(p.Files, func(f plan.File) bool { return f.Mode.IsDir() && f.Path == folder })
}

// whatOf returns what the planned file of that path holds.
func whatOf(p plan.Node, file string) string {
	for _, f := range p.Files {
		if f.Path == file && f.Secret != "" && f.Secret != plan.UserText {
			return string(f.Secret)
		}
	}
	return "agent configuration"
}

// isConfiguration reports whether the agent reads the file as configuration.
func isConfiguration(f plan.File) bool {
	ext := path.Ext(f.Path)
	return !f.Mode.IsDir() && (ext == ".hcl" || ext == ".json")
}

// configuration returns the agent's configuration of a plan. Secrets that stand in files of their own are in it if written has
// them.
func configuration(p plan.Node, written []File) agentconf.Files {
	var out agentconf.Files
	for _, f := range p.Files {
		if !isConfiguration(f) {
			continue
		}
		text := []byte(f.Content)
		if f.Secret == plan.Gossip {
			text = agentconf.Gossip("")
		}
		if f.Whole != "" {
			text = []byte(f.Whole)
		}
		for _, w := range written {
			if w.Path == f.Path && f.Secret == plan.Gossip {
				text = w.Data
			}
		}
		out = append(out, agentconf.NewFile(path.Base(f.Path), text))
	}
	return out
}

// hasMaterial reports whether the files have a certificate, a key or a CA bundle.
func hasMaterial(files []File) bool {
	return slices.ContainsFunc(files, func(f File) bool {
		return slices.Contains([]string{string(plan.CACertificate), string(plan.Certificate), string(plan.PrivateKey)}, f.What)
	})
}
