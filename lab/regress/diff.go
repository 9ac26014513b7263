package regress

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress/lock"
)

// Diff checks two configurations side by side. The report is of the second one, compared with the first, which is called by
// that name. Its errors are Check's, and say which of the two they are about.
func Diff(ctx context.Context, o Options, name string, before, after Source) (finding.Report, error) {
	var was, is finding.Report
	var both errgroup.Group
	for _, side := range []struct {
		as, words string
		source    Source
		into      *finding.Report
	}{{"old", "the old configuration", before, &was}, {"new", "the new configuration", after, &is}} {
		o := o
		o.Name += "-" + side.as
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
	compared := lock.Compare(lock.Of(was), lock.Of(is), name)
	is.Comparison = &compared
	return is, nil
}
