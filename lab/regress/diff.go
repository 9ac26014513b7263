package regress

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
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
	is.Notes = append(is.Notes, newGossipKey(before, after)...)
	compared := lock.Compare(lock.Of(was), lock.Of(is), name)
	is.Comparison = &compared
	return is, nil
}

// newGossipKey says what another gossip key in the servers' files does, which fresh clusters do not show: nothing, where a server
// has begun with one (command/agent/command.go:381).
func newGossipKey(before, after Source) []string {
	old, now := before.files(pki.Server).Text(serverEncrypt), after.files(pki.Server).Text(serverEncrypt)
	if old == "" || now == "" || old == now {
		return nil
	}
	return []string{fmt.Sprintf(
		"%s%s has another key, which counts only where data_dir/server/serf.keyring is not there yet: a cluster that runs goes on with the old one until `nomad operator gossip keyring` changes it",
		serverEncrypt, at(after.files(pki.Server), serverEncrypt))}
}
