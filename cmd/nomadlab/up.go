package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/spec"
)

// upFlags are the flags of `up`.
type upFlags struct {
	specFlags
	wait    string
	timeout time.Duration
	json    bool
}

func (a *app) upCommand() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Bring up a lab",
		Long: `up brings up a Nomad cluster: three servers and two clients, unless you say otherwise.
When it fails or is interrupted, it removes everything that it started.`,
		Example: `  nomadlab up
  nomadlab up --name small --servers 1 --clients 1
  nomadlab up --hardened
  nomadlab up --mutation server-plain-http
  nomadlab up --file lab.yaml --nomad-version 1.11.3
  nomadlab up --node-version server-1=1.10.5
  nomadlab up --json | jq -r '.nodes[].http'`,
		Args: noArguments(": name the lab with --name"),
		RunE: a.with(func(cmd *cobra.Command, _ []string, e *engines.Set) error { return a.up(cmd, e, f) }),
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.wait, "wait", string(lab.Ready), "wait until the lab is ready, until it has a leader, or not at all: ready, leader or none")
	flags.DurationVar(&f.timeout, "timeout", deadline.Start, "limit for the start, without the time that building or pulling Nomad takes")
	flags.BoolVar(&f.json, "json", false, "print the lab's status as JSON")
	mustComplete(cmd, "wait", fixed(string(lab.Ready), string(lab.Elected), string(lab.Started)))
	return cmd
}

func (f upFlags) options(cmd *cobra.Command) (lab.UpOptions, error) {
	o := lab.UpOptions{Wait: lab.Wait(f.wait), Timeout: f.timeout}
	if reached(o.Wait) == "" {
		return o, usagef(cmd, "--wait is %q: use ready, leader or none", f.wait)
	}
	return o, positive(cmd, f.timeout)
}

// warnings returns what a user should read before the engine makes a lab of the Spec.
func warnings(s spec.Spec, e engine.Engine) []string {
	all := s.Warnings()
	if e.DockerHost() != "" && (len(s.Overrides) > 0 || s.Certificates.Altered() || s.NotBootstrapped) {
		all = append(all, "this lab may lack a protection. With Docker older than version 28, other machines of your network can reach its "+
			"containers if they set a route to its subnet: on a network that you do not trust, use --engine process")
	}
	return all
}

func (a *app) up(cmd *cobra.Command, e *engines.Set, f upFlags) error {
	c := a.console(cmd)
	s, carried, err := f.spec(cmd)
	if err != nil {
		return err
	}
	o, err := f.options(cmd)
	if err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	c.warn(s, e.Home())
	if len(carried.Placed) > 0 {
		if cmd.Flags().Changed("wait") {
			return usagef(cmd, "--wait is %s: leave it out with a mutation, which decides what is waited for", f.wait)
		}
		o.Wait = carried.Wait()
	}
	l, took, err := bringUp(cmd.Context(), c, e, s, o)
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeoutCause(cmd.Context(), o.Timeout, fmt.Errorf("the lab did not carry its mutation within %s", o.Timeout))
	defer cancel()
	if err := carried.Apply(within, l); err != nil {
		err = removed(cmd.Context(), l, err)
		if cmd.Context().Err() != nil {
			return interrupted(cmd.Context(), l.Name(), err)
		}
		return err
	}
	if err := l.Keep(); err != nil {
		return fmt.Errorf("let lab %s outlive this command: %w", l.Name(), err)
	}
	status := l.Status(cmd.Context())
	if f.json {
		return c.out.json(status)
	}
	c.closing(status, fmt.Sprintf("%s in %s", reached(o.Wait), brief(took)))
	if o.Wait == lab.Ready && !status.Ready {
		c.errs.printf("%s no longer ready: %s", c.errs.uneasy("warning:"), strings.Join(status.Trouble, "; "))
	}
	for _, placed := range carried.Placed {
		c.carries(status.Lab, placed, carried.Extra != "")
	}
	return nil
}

// carries prints which mutation the lab carries, at which nodes, and how to see the checks that fail.
func (c console) carries(name string, p mutation.Placed, extra bool) {
	c.out.printf("")
	where := "the cluster"
	switch {
	case p.Node != "":
		where = p.Node
	case p.Mutation.Role != "":
		where = "each " + string(p.Mutation.Role)
	}
	c.out.printf("%s carries the mutation %s: %s", where, c.out.bold(p.Mutation.ID), p.Mutation.Change)
	if extra {
		c.out.printf("it is an extra node, which `nomadlab check` does not call: its peers' logs show how they treat it")
		return
	}
	if ids, _ := p.Mutation.Fails(p.Scope); len(ids) > 0 {
		c.out.printf("`nomadlab check %s` shows what fails because of it; in the proof %s failed: %s", name, count(len(ids), "check"), strings.Join(ids, ", "))
	}
}

// removed removes a lab that is up but cannot be used because of err, and returns both errors.
func removed(ctx context.Context, l *lab.Lab, err error) error {
	return &lab.StartError{Lab: l.Name(), Err: errors.Join(err, removeNow(ctx, l))}
}

// removeNow removes a lab even if ctx has ended.
func removeNow(ctx context.Context, l *lab.Lab) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Removal)
	defer cancel()
	return l.Down(ctx)
}

// reached returns the state that is waited for, in words, or nothing for an unknown one.
func reached(w lab.Wait) string {
	return map[lab.Wait]string{lab.Ready: "is ready", lab.Elected: "has a leader", lab.Started: "is started"}[w]
}

// bringUp calls lab.Up and shows its progress. It returns how long the start took, and an interruption as such.
func bringUp(ctx context.Context, c console, e *engines.Set, s spec.Spec, o lab.UpOptions) (*lab.Lab, time.Duration, error) {
	c.note(e.Note())
	p := newProgress(c.errs)
	shown := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(shown)
		p.doing("interrupted", "interrupted: removing what was started")
	})
	o.Progress, o.Others = p.event, e.Others()
	l, err := lab.Up(ctx, e.Home(), s, o)
	cut := ctx.Err() != nil // read once: a later interruption finds a lab that is up
	if cut && err == nil {
		err = removed(ctx, l, ctx.Err())
	}
	if !cancel() {
		<-shown // nothing may be printed after the end
	}
	p.stop()
	if cut {
		return nil, 0, interrupted(ctx, cmp.Or(s.Name, usualName), err)
	}
	return l, p.elapsed(), err
}

// closing prints the end of a start: the lab, its nodes, and what to do next.
func (c console) closing(status lab.Status, how string) {
	servers, clients := 0, 0
	for _, n := range status.Nodes {
		switch {
		case n.ExtraNode:
		case n.Role == "server":
			servers++
		default:
			clients++
		}
	}
	out := c.out
	if c.errs.terminal {
		c.errs.printf("")
	}
	out.printf("lab %s %s: Nomad %s, %s, %s", out.bold(status.Lab), how, orDash(status.Nomad), count(servers, "server"), count(clients, "client"))
	out.printf("")
	out.nodes(status)
	out.printf("")
	use := "use it from this shell"
	if status.ACL {
		use += ", with its token"
		out.printf("it has ACLs: a caller without a token can read almost nothing. `nomadlab env` sets the management token.")
		out.printf("")
	}
	out.printf("try next:")
	self := invoked(os.Args[0])
	for _, next := range [][2]string{
		{envLine(self, status.Lab), use},
		{fmt.Sprintf("%s nomad %s -- server members", self, status.Lab), "or without a nomad of your own"},
		{fmt.Sprintf("%s down %s", self, status.Lab), "remove it"},
	} {
		out.printf("  %-44s %s", next[0], out.faint("# "+next[1]))
	}
}
