package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/internal/userfile"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/rehearsal"
	"nomadlab.internal/lab/spec"
)

// rehearseFlags are the flags of `rehearse`.
type rehearseFlags struct {
	from, to string
	// diff has the paths of the servers' and the clients' files within OLD and within NEW.
	diff                     diffFlags
	order                    string
	grace, stepTimeout       time.Duration
	jobs                     []string
	keep, dry, json, asAsked bool
	versions                 string
	report                   checkFlags
}

func (a *app) rehearseCommand() *cobra.Command {
	var f rehearseFlags
	cmd := &cobra.Command{
		Use:   "rehearse --from OLD --to NEW",
		Short: "Roll a change of your own configuration out on a lab under load, and say what it costs",
		Long: `rehearse brings up a real cluster with the configuration OLD, puts work on it (jobs, writers, readers,
long-lived connections), and changes it to NEW node by node, each by the gentlest effect that works:
a reload where Nomad takes the change by one, else a restart. It says for each line which, and why.
It takes the posture before, between the steps and after, and ends with the result: lost nothing,
has a cost, or breaks, and at which step. If the first order breaks, it tries others on fresh labs,
and says in which the change holds. Every lab is removed.

OLD and NEW are folders, or files for servers alone, as with diff. Certificates are those of --tls-dir
within OLD and NEW, or the lab's. With --nomad-version OLD,NEW the change is a version of Nomad as
well; --to may then be left out.

Some changes are refused, because no rollout makes them: another region, other ports. A change of
data_dir is carried out as a replacement, one node at a time. bootstrap_expect has no effect on a
cluster that runs, and the output says so.

It exits with 0 if nothing was lost in the order asked for, with 1 if the change has a cost, breaks,
or leaves the posture weaker, with 2 if it cannot be rehearsed, with 3 if the result is not known.`,
		Example: `  nomadlab rehearse --from deployed/ --to proposed/
  nomadlab rehearse --from deployed/ --to proposed/ --tls-dir tls --order in-rounds
  nomadlab rehearse --from deployed/ --to proposed/ --dry-run
  nomadlab rehearse --from deployed/ --nomad-version 1.10.5,1.11.3 --out report
  nomadlab rehearse --from deployed/ --to proposed/ --with-job web.nomad.hcl --keep`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := noArguments(": name the configurations with --from and --to")(cmd, args); err != nil {
				return err
			}
			return f.validate(cmd)
		},
		RunE: a.with(func(cmd *cobra.Command, _ []string, e *engines.Set) error { return a.rehearse(cmd, e, f) }),
	}
	f.add(cmd)
	return cmd
}

func (f *rehearseFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "OLD: the configuration that your cluster runs, a folder or a file")
	flags.StringVar(&f.to, "to", "", "NEW: the configuration that it is to run")
	f.diff.config.addPaths(cmd, "within OLD and NEW: ", " (default server)", " (default client)", "certificates are made")
	f.diff.config.nomad.addSources(cmd)
	flags.StringVar(&f.versions, "nomad-version", "", "version of Nomad, or OLD,NEW (default "+image.DefaultVersion+")")
	flags.StringVar(&f.order, "order", rehearsal.ServersFirst, strings.Join(rehearsal.Orders(), ", ")+", or names of nodes, such as server-2,server-1,server-3,client-1")
	flags.BoolVar(&f.asAsked, "no-other-order", false, "try no other order if the first breaks")
	flags.DurationVar(&f.grace, "grace", 0, "have the servers wait so much longer for heartbeats during the change (server.heartbeat_grace), by one more restart before and after it")
	flags.DurationVar(&f.stepTimeout, "step-timeout", time.Minute, "how long a step may wait before it counts as one that never ends")
	flags.StringSliceVar(&f.jobs, "with-job", nil, "a job of your own (HCL or JSON) to run beside the load's; may be repeated")
	flags.BoolVar(&f.keep, "keep", false, "leave the lab running after the first order, as the change has left it")
	flags.BoolVar(&f.dry, "dry-run", false, "show what changes, line by line, and the orders that would be tried; bring nothing up")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.StringVar(&f.report.out, "out", "", "write the rehearsal (rehearsal.txt, rehearsal.json) and the report of the posture after it into this folder")
	mustComplete(cmd, "order", fixed(rehearsal.Orders()...))
	mustComplete(cmd, "nomad-version", fixed(image.Nomad.Versions()...))
}

// validate refuses flags that do not fit each other, before anything is read.
func (f *rehearseFlags) validate(cmd *cobra.Command) error {
	old, next, both := strings.Cut(f.versions, ",")
	switch {
	case f.from == "":
		return usagef(cmd, "name the configuration that your cluster runs: --from")
	case f.to == "" && (!both || old == next):
		return usagef(cmd, "name the configuration that it is to run, --to, or two versions, --nomad-version OLD,NEW")
	case both && (old == "" || next == ""):
		return usagef(cmd, "--nomad-version is %q: want one version, or OLD,NEW", f.versions)
	case f.versions != "" && (f.diff.config.nomad.image != "" || f.diff.config.nomad.binary != ""):
		return usagef(cmd, "--nomad-version, --image and --nomad-binary exclude each other: set one of them")
	case f.json && f.report.out != "":
		return usagef(cmd, "--json and --out exclude each other: the folder has rehearsal.json")
	}
	f.to = cmp.Or(f.to, f.from)
	return errors.Join(f.validateTimes(cmd), f.report.makePlaces(cmd))
}

func (f *rehearseFlags) validateTimes(cmd *cobra.Command) error {
	if f.grace < 0 || f.stepTimeout <= 0 {
		return usagef(cmd, "--grace must not be less than zero, and --step-timeout must be more")
	}
	return nil
}

func (a *app) rehearse(cmd *cobra.Command, e *engines.Set, f rehearseFlags) error {
	c := a.console(cmd)
	from, err := f.side(f.from)
	if err != nil {
		return err
	}
	to, err := f.side(f.to)
	if err != nil {
		return err
	}
	o, err := f.options(cmd, e, &from, &to)
	if err != nil {
		return err
	}
	if f.dry {
		return a.dryRehearsal(cmd, f, o, from, to)
	}
	c.note(e.Note())
	p := newProgress(c.errs)
	p.doing("rehearse", "bringing up "+from.Name)
	o.Check.Progress = p.event
	r, err := rehearsal.Run(cmd.Context(), o, from, to)
	p.stop()
	if err != nil {
		return rehearsalInterrupted(err)
	}
	if err := f.output(c, r); err != nil {
		return err
	}
	return passOn(rehearsalCode(r), nil)
}

// side reads one of the two configurations.
func (f rehearseFlags) side(root string) (rehearsal.Side, error) {
	s, err := regress.Read(f.diff.within(root))
	if err != nil {
		return rehearsal.Side{}, fmt.Errorf("%s: %w", root, err)
	}
	return rehearsal.Side{Name: filepath.Clean(root), Source: s}, nil
}

// options returns the options of the rehearsal, and sets the versions of both sides. The Nomad of a new version is got now: one that
// is not to be had is an error before anything is brought up.
func (f rehearseFlags) options(cmd *cobra.Command, e *engines.Set, from, to *rehearsal.Side) (rehearsal.Options, error) {
	old, next, both := strings.Cut(f.versions, ",")
	nomad := spec.Nomad{Version: old, Image: f.diff.config.nomad.image, Binary: f.diff.config.nomad.binary}
	o := rehearsal.Options{
		Check: regress.Options{Engine: e.Home(), Others: e.Others(), Nomad: nomad, Name: "rehearse-" + random()},
		Order: f.order, Grace: f.grace, Keep: f.keep, StepTimeout: f.stepTimeout, AsAsked: f.asAsked,
	}
	for _, name := range f.jobs {
		text, err := userfile.Read(name)
		if err != nil {
			return o, fmt.Errorf("%w: --with-job: %w", rehearsal.ErrRefused, err)
		}
		o.Jobs = append(o.Jobs, rehearsal.Job{Name: name, Text: text})
	}
	if !both || old == next || f.dry {
		if both {
			from.Version, to.Version = old, next
		}
		return o, nil
	}
	from.Version, to.Version = old, next
	for _, version := range []string{old, next} {
		if _, err := image.ResolveFile(cmd.Context(), e.Home().DockerHost(), image.Request{Version: version}, nil); err != nil {
			return o, fmt.Errorf("get Nomad %s: %w", version, err)
		}
	}
	return o, nil
}

// dryRehearsal shows what would be rehearsed.
func (a *app) dryRehearsal(cmd *cobra.Command, f rehearseFlags, o rehearsal.Options, from, to rehearsal.Side) error {
	change, orders, err := rehearsal.Preview(cmd.Context(), o, from, to)
	if err != nil {
		return err
	}
	if f.json {
		return a.console(cmd).out.json(struct {
			Change rehearsal.Change     `json:"change"`
			Notes  []string             `json:"notes,omitempty"`
			Orders []rehearsal.Strategy `json:"orders"`
		}{change, change.Notes(), orders})
	}
	return rehearsal.WriteDry(cmd.OutOrStdout(), change, orders)
}

// output prints the rehearsal, and writes the folder's files.
func (f rehearseFlags) output(c console, r rehearsal.Rehearsal) error {
	if f.json {
		return c.out.json(r)
	}
	if err := r.Write(c.out); err != nil || f.report.out == "" {
		return err
	}
	for name, write := range map[string]func(io.Writer) error{
		"rehearsal.txt":  r.Write,
		"rehearsal.json": func(w io.Writer) error { return stream{Writer: w}.json(r) },
	} {
		at := filepath.Join(f.report.out, name)
		if err := writeWhole(at, write); err != nil {
			return fmt.Errorf("write the rehearsal: %w", err)
		}
		c.errs.printf("wrote %s", at)
	}
	if len(r.Attempts) == 0 {
		return nil
	}
	quiet := c
	quiet.out.Writer = io.Discard
	return f.report.output(quiet, r.Report())
}

// rehearsalCode returns the exit code of a rehearsal: that of the order that was asked for.
func rehearsalCode(r rehearsal.Rehearsal) int {
	weaker := false
	if len(r.Attempts) > 0 {
		if c := r.Attempts[0].After.Comparison; c != nil {
			weaker = slices.ContainsFunc(c.Changes, func(change finding.Change) bool { return change.Direction == finding.Weaker })
		}
	}
	switch {
	case r.Result() == rehearsal.Unknown:
		return exitUnproved
	case r.Result() != rehearsal.LostNothing || weaker:
		return exitFailed
	default:
		return exitFine
	}
}

// rehearsalInterrupted makes the message for the user of a rehearsal that was interrupted.
func rehearsalInterrupted(err error) error {
	if stood, is := errors.AsType[*rehearsal.InterruptedError](err); is {
		text := stood.Text
		if stood.Kept != "" {
			text += ": `nomadlab down " + stood.Kept + "` removes it"
		}
		return &interruptedError{text: text}
	}
	return err
}
