package enginetest

import "context"

// Checks returns all checks of the suite by their names, each with a lab of its own.
func Checks() map[string]func(ctx context.Context, t T, s Subject) {
	out := map[string]func(context.Context, T, Subject){}
	for _, c := range append(concurrentChecks(), sequentialChecks()...) {
		out[c.name] = func(ctx context.Context, t T, s Subject) { c.run(ctx, t, newLab(ctx, t, s)) }
	}
	return out
}
