package regress

import (
	"context"

	"nomadlab.internal/lab/finding"
)

// LookAtFiles is what is found in the user's own files.
func LookAtFiles(ctx context.Context, s Source) ([]finding.Finding, error) {
	return lookAtFiles(ctx, s)
}

// Judge is what becomes of a mutation by what was seen without it and with it.
func (m Mutation) Judge(base, now finding.Report) Result {
	return m.judge(findings(base), findings(now))
}

// Applies says why the mutation does not apply to the configuration; empty where it does.
func (m Mutation) Applies(s Source) string {
	_, lacks := m.of(s)
	return lacks
}

// Mutated are the files of the user's whose modes count, with the mutation.
func (m Mutation) Mutated(s Source) Source {
	v, _ := m.of(s)
	return v.source
}

// Settings are those that promises rest on, as the configuration has them.
func Settings(s Source) []finding.Setting {
	var all []finding.Setting
	for _, role := range s.roles() {
		all = append(all, settings(role, s.files(role))...)
	}
	return all
}
