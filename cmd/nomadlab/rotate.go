package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/rollout"
	"nomadlab.internal/lab/spec"
)

func (a *app) rotateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Replace certificates, the authority or the gossip key of a running lab",
		Long: `rotate replaces secrets of a running lab, node by node, while it works: certificates, the
authority that signs them, or the gossip key of the servers. No agent is restarted. Each step waits
until the node has what is new and does its work, and only then the next node follows.

If it fails or is interrupted, rotate takes back what it has done.`,
		Example: `  nomadlab rotate certs
  nomadlab rotate ca --dry-run
  nomadlab rotate gossip demo`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usagef(cmd, "%q cannot be rotated: use certs, ca or gossip", args[0])
		},
		RunE: a.do(func(cmd *cobra.Command, _ []string) error {
			return usagef(cmd, "say what to rotate: certs, ca or gossip")
		}),
	}
	cmd.AddCommand(a.rotateCertsCommand(), a.rotateCACommand(), a.rotateGossipCommand())
	return cmd
}

// certsFlags are the flags of `rotate certs`.
type certsFlags struct {
	rolloutFlags
	nodes    []string
	newPaths bool
}

func (a *app) rotateCertsCommand() *cobra.Command {
	var f certsFlags
	cmd := &cobra.Command{
		Use:   "certs [NAME]",
		Short: "Renew the certificates of a running lab by reloads",
		Long: `certs gives each node a new key and certificate of the lab's authority, and has the agent
reload them (SIGHUP): the servers, the leader last, then the clients. It waits until the node serves
the new certificate on HTTP and on RPC. The lab's own certificate, which "nomadlab env" names, is
renewed first, in the same file.

Usually the files keep their paths. With --new-paths they get new names, and the agent's tls block
names these: a reload reads both.`,
		Example: `  nomadlab rotate certs
  nomadlab rotate certs demo --node client-1
  nomadlab rotate certs --new-paths --dry-run`,
		ValidArgsFunction: a.completeLabs(1),
		Args:              optionalName,
		RunE: a.changing(&f.rolloutFlags, first, func(ctx context.Context, _ *cobra.Command, _ console, l *lab.Lab, _ []string) (change, error) {
			return f.planned(ctx, l)
		}),
	}
	f.add(cmd)
	cmd.Flags().StringSliceVar(&f.nodes, "node", nil, "renew only this node's certificate; may be repeated")
	cmd.Flags().BoolVar(&f.newPaths, "new-paths", false, "write certificate and key into new files, which the configuration then names")
	mustComplete(cmd, "node", a.completeNodes(anyNumber))
	return cmd
}

func (f certsFlags) planned(ctx context.Context, l *lab.Lab) (change, error) {
	nodes, err := chosen(ctx, l, f.nodes)
	if err == nil {
		err = issuable(l, nodes)
	}
	if err == nil {
		err = running(ctx, nodes)
	}
	if err != nil {
		return change{}, err
	}
	fresh, err := rollout.Issue(l.Authority(), nodes)
	if err != nil {
		return change{}, err
	}
	var p rollout.Plan
	if f.newPaths {
		p, err = rollout.RenewAtNewPaths(ctx, nodes, fresh)
	} else {
		p, err = rollout.Renew(nodes, fresh)
	}
	if err != nil {
		return change{}, fmt.Errorf("%w: %w", errRollout, err)
	}
	if len(f.nodes) == 0 {
		own, err := ownRenewal(l)
		if err != nil {
			return change{}, err
		}
		p.Steps = append([]rollout.Step{own}, p.Steps...)
	}
	done := count(len(nodes), "node") + " have new certificates"
	if len(nodes) == 1 {
		done = nodes[0].Name() + " has a new certificate"
	}
	return change{lab: l, plan: p, done: done}, nil
}

// ownRenewal returns the step that renews the certificate of the lab's own calls. It is the first one: an expired one could
// call nobody.
func ownRenewal(l *lab.Lab) (rollout.Step, error) {
	c, err := l.Authority().Issue(l.Credential().Identity)
	if err != nil {
		return rollout.Step{}, fmt.Errorf("issue a certificate for the lab's own calls: %w", err)
	}
	return rollout.Step{Title: "the lab's own calls present a new certificate", Effect: rollout.Nothing, Access: lab.Access{CLI: &c}}, nil
}

// issuable returns an error for a lab whose certificates this program cannot renew, or would put right by that.
func issuable(l *lab.Lab, nodes []*lab.Node) error {
	p := l.Plan()
	switch source := p.Authority; {
	case source.Source == spec.VaultSource:
		return fmt.Errorf("%w: lab %s gets its certificates from Vault, and consul-template renews them by itself: "+
			"`nomadlab status %s` shows until when each is valid", errRollout, l.Name(), l.Name())
	case source.Folder() != "":
		return fmt.Errorf("%w: lab %s has the certificates of your folder %s, and makes none of its own: "+
			"put new ones there, and bring the lab up again", errRollout, l.Name(), source.Folder())
	case p.Certificates.Chained() || len(p.Certificates.TrustForeign) > 0:
		return fmt.Errorf("%w: the nodes of lab %s trust or send other certificates than those of one authority, on purpose: "+
			"new ones would lose that", errRollout, l.Name())
	}
	for _, n := range nodes {
		if d := n.Plan().Defect; d != "" {
			return fmt.Errorf("%w: %s has a certificate with the defect %s, on purpose: a new one would lose it", errRollout, n.Name(), d)
		}
	}
	return nil
}

// running returns an error for nodes that do not run.
func running(ctx context.Context, nodes []*lab.Node) error {
	for _, n := range nodes {
		s, err := n.State(ctx)
		if err != nil {
			return err
		}
		if !s.Running || s.Paused {
			return fmt.Errorf("%w: %s does not run, and cannot reload: `nomadlab start` starts it", errRollout, n.Name())
		}
	}
	return nil
}

func (a *app) rotateCACommand() *cobra.Command {
	var f rolloutFlags
	cmd := &cobra.Command{
		Use:   "ca [NAME]",
		Short: "Replace the authority of a running lab by reloads",
		Long: `ca makes a new authority and moves a running lab to it, in three rounds over all nodes, each by
reloads (SIGHUP): every node trusts both authorities; every node has a certificate of the new one;
no node trusts the old one. Certificates of the old authority are refused from then on. The other
order, certificates first, cuts off the nodes that do not know the new authority yet.

The files that "nomadlab env" names keep their names. A shell needs no new variables.`,
		Example: `  nomadlab rotate ca
  nomadlab rotate ca demo --dry-run --json | jq '.rollout.steps[].title'`,
		ValidArgsFunction: a.completeLabs(1),
		Args:              optionalName,
		RunE: a.changing(&f, first, func(ctx context.Context, _ *cobra.Command, c console, l *lab.Lab, _ []string) (change, error) {
			return plannedAuthority(ctx, c, l)
		}),
	}
	f.add(cmd)
	return cmd
}

func plannedAuthority(ctx context.Context, c console, l *lab.Lab) (change, error) {
	nodes, err := chosen(ctx, l, nil)
	if err == nil {
		err = issuable(l, nodes)
	}
	if err == nil {
		err = ready(ctx, l)
	}
	if err != nil {
		return change{}, err
	}
	if source := l.Plan().Authority.Source; source != spec.BuiltinSource {
		c.note(fmt.Sprintf("the lab's authority came from %s; the new one is nomadlab's own", source))
	}
	next, err := pki.NewAuthority(pki.Options{LeafTTL: l.Plan().Certificates.TTL})
	if err != nil {
		return change{}, err
	}
	s, err := rollout.Succeed(l, next)
	if err != nil {
		return change{}, fmt.Errorf("%w: %w", errRollout, err)
	}
	p, err := rollout.ReplaceAuthority(nodes, s)
	if err != nil {
		return change{}, fmt.Errorf("%w: %w", errRollout, err)
	}
	return change{lab: l, plan: p, done: fmt.Sprintf("%s trust the new authority %q alone", count(len(nodes), "node"), next)}, nil
}

func (a *app) rotateGossipCommand() *cobra.Command {
	var f rolloutFlags
	cmd := &cobra.Command{
		Use:   "gossip [NAME]",
		Short: "Replace the gossip key of a running lab's servers",
		Long: `gossip replaces the key that encrypts the gossip of the servers, as
"nomad operator gossip keyring" does: it installs a new key on all servers, has them use it, and
removes the old one. No agent is touched. Each operation must succeed on every server before the
next one: a server that lacks the key in use is cut off.

Last, it writes the new key into the servers' files. A server with a data_dir reads its key there,
and not in its configuration; the files are for a server that loses its data_dir.`,
		Example: `  nomadlab rotate gossip
  nomadlab rotate gossip demo --dry-run`,
		ValidArgsFunction: a.completeLabs(1),
		Args:              optionalName,
		RunE: a.changing(&f, first, func(ctx context.Context, _ *cobra.Command, _ console, l *lab.Lab, _ []string) (change, error) {
			return plannedGossip(ctx, l)
		}),
	}
	f.add(cmd)
	return cmd
}

func plannedGossip(ctx context.Context, l *lab.Lab) (change, error) {
	if err := ready(ctx, l); err != nil {
		return change{}, err
	}
	key := make([]byte, l.Plan().GossipKeyBytes)
	_, _ = rand.Read(key) // never fails
	p, err := rollout.RotateGossip(l, base64.StdEncoding.EncodeToString(key))
	if err != nil {
		return change{}, fmt.Errorf("%w: %w", errRollout, err)
	}
	return change{lab: l, plan: p, done: count(len(l.Servers()), "server") + " gossip with a new key"}, nil
}
