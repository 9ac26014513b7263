package regress

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/fit"
	"nomadlab.internal/lab/regress/lock"
)

// Diff checks two configurations side by side. It returns the report of the second one, compared with the first, which the
// comparison calls name. Its errors are Check's, and say which of the two they are about. Options.Progress and
// Options.Inspect.Tell are called from both sides at the same time.
func Diff(ctx context.Context, o Options, name string, before, after Source) (finding.Report, error) {
	var was, is finding.Report
	var both errgroup.Group
	for _, side := range []struct {
		as, words string
		source    Source
		into      *finding.Report
	}{{"old", "the old configuration", before, &was}, {"new", "the new configuration", after, &is}} {
		o := o
		if o.OldNomad != nil {
			side.source = side.source.lenient()
			if side.as == "old" {
				o.Nomad = *o.OldNomad
			}
		}
		o.Name += "-" + side.as
		o.Progress = sided(side.as, o.Progress)
		both.Go(func() error {
			r, err := Check(ctx, o, side.source)
			if err != nil {
				return fmt.Errorf("%s: %w", side.words, err)
			}
			*side.into = r
			return nil
		})
	}
	if err := both.Wait(); err != nil {
		return finding.Report{}, errors.Join(err, ctx.Err())
	}
	is.Notes = append(sidesUnready(was, is), leftOut(was, is)...)
	compared := lock.Compare(lock.Of(was), lock.Of(is), name)
	is.Comparison = &compared
	return is, nil
}

// lenient returns the source for a Nomad that may not know all of it: see spec.Configuration.LeaveOutUnknown.
func (s Source) lenient() Source {
	c := *s.Configuration
	c.LeaveOutUnknown = true
	s.Configuration = &c
	return s
}

// leftOut returns a note for each line that the Nomad of one side did not know.
func leftOut(was, is finding.Report) []string {
	var notes []string
	for _, side := range []struct {
		words string
		of    finding.Report
	}{{"old", was}, {"new", is}} {
		if side.of.Configuration == nil {
			continue
		}
		for _, r := range side.of.Configuration.Replaced {
			if fit.IsUnknown(r.Because) {
				notes = append(notes, fmt.Sprintf("%s: %s of your %ss (%s:%d) is left out: %s", side.words, r.Setting, r.Role, r.File, r.Line, r.Because))
			}
		}
	}
	return notes
}

// sided returns a tell that marks events as those of one of the two clusters.
func sided(as string, tell func(lab.Event)) func(lab.Event) {
	if tell == nil {
		return nil
	}
	return func(e lab.Event) {
		e.Phase, e.Text = as+" "+e.Phase, as+": "+e.Text
		tell(e)
	}
}

// sidesUnready returns the notes of the new report, and those of both that say that a cluster did not form.
func sidesUnready(was, is finding.Report) []string {
	var notes []string
	for _, side := range []struct {
		words string
		of    finding.Report
	}{{"old", was}, {"new", is}} {
		for _, note := range side.of.Notes {
			if strings.HasPrefix(note, unready) {
				notes = append(notes, side.words+": "+note)
			} else if side.words == "new" {
				notes = append(notes, note)
			}
		}
	}
	return notes
}
