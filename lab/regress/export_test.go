package regress

import (
	"context"
	"slices"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// LookAtFiles is what is found in the user's own files, by the checks of these names, or by all.
func LookAtFiles(ctx context.Context, s Source, names ...string) ([]finding.Finding, error) {
	return lookAtFiles(ctx, s, names...)
}

// LineChecks are the IDs of the checks of lines.
func LineChecks() []string {
	var ids []string
	for _, t := range traitsOfLines() {
		ids = append(ids, t.id)
	}
	return ids
}

// Judge is what becomes of a mutation by what was seen without it and with it.
func Judge(m mutation.Mutation, base, now finding.Report) Result {
	return judge(m, findings(base, nil), findings(now, nil))
}

// JudgeTogether returns what becomes of those mutations of a pack that are killed, and why the others are to be tried apart.
func JudgeTogether(p mutation.Pack, base, now finding.Report) (killed []Result, apart string) {
	return judgeTogether(p, findings(base, nil), now)
}

// JudgeEquivalents returns what becomes of mutations that are said to change nothing: those that are proved, and those that are
// to be tried apart.
func JudgeEquivalents(all []mutation.Mutation, base, now finding.Report, err error) (proved, doubted []Result) {
	return judgeEquivalents(all, findings(base, nil), findings(now, nil), err)
}

// Size says how many agents the clusters of mutations of the configuration have.
func Size(s Source) mutation.Size { return s.size() }

// ApartWith returns the cluster of a mutation that is tried by itself, and Stages what it meets there.
func ApartWith(m mutation.Mutation, size mutation.Size) mutation.Pack { return apartWith(m, size) }

// Stages returns what a mutation meets in a cluster of its own, one after the other.
func Stages(p mutation.Pack) []inspect.Options { return stages(p) }

// Sized returns the pack as the configuration has agents for it, and which lines of it are other for that.
func Sized(s Source, p mutation.Pack) (mutation.Pack, []spec.Override) { return s.sized(p) }

// WhyInapplicable says why the mutation changes nothing of the configuration; empty where it does.
func WhyInapplicable(m mutation.Mutation, s Source) string { return s.inapplicable(m) }

// Mutated is the configuration with the mutation, of those that no running agent carries.
func Mutated(m mutation.Mutation, s Source) Source {
	if m.File != nil {
		s, _ = s.defective(m.Role, *m.File)
		return s
	}
	return s.with([]mutation.Mutation{m}).source
}

// Settings are those that promises rest on, as the configuration has them.
func Settings(s Source) []finding.Setting {
	var all []finding.Setting
	for _, role := range s.roles() {
		all = append(all, settingsIn(role, s.files(role), guarded())...)
	}
	return all
}

// Others are those that no promise rests on.
func Others(s Source) []finding.Setting {
	var all []finding.Setting
	for _, role := range s.roles() {
		all = append(all, settingsIn(role, s.files(role), unguarded(s.files(role), guarded()))...)
	}
	return all
}

// Configuration is what a report says of the files, before anything was started.
func Configuration(s Source) *finding.Configuration { return describe(variant{source: s}, plan.Plan{}) }

// Results are the results of all checks and cells at those nodes that the filter takes.
func Results(r finding.Report, at func(node string) bool) map[string]finding.Result {
	all := map[string]finding.Result{}
	for id, s := range findings(r, at) {
		all[id] = s.verdict
	}
	return all
}

// Blame puts the settings of each broken promise in the order in which they are to be looked at.
func Blame(r *finding.Report, client *pki.Credential) { blame(r, client) }

// CommonCauses are what many of a report's failures have for their one cause.
func CommonCauses(s Source, r finding.Report) []string { return s.commonCauses(r) }

// SidesUnready are the notes of both reports of a diff.
func SidesUnready(was, is finding.Report) []string { return sidesUnready(was, is) }

// Sided tells of one of the two clusters of a diff.
func Sided(as string, tell func(lab.Event)) func(lab.Event) { return sided(as, tell) }

// FileSettings are the settings that the checks of files are about, by ID, as the tables have them: settings.Any stands for a label
// or a key. What holds secrets is about every setting that is one.
func FileSettings() (of map[string][]string, ofSecrets []string) {
	of = map[string][]string{}
	for _, t := range traits() {
		of[t.id] = t.settings
	}
	for _, role := range []pki.Role{pki.Server, pki.Client} {
		for _, f := range faults() {
			id := string(role) + "-" + f.id
			of[id] = f.settings
			if slices.Contains(f.of, HoldsSecrets) {
				ofSecrets = append(ofSecrets, id)
			}
		}
	}
	return of, ofSecrets
}

// ListenSettings are those that decide where agents listen.
func ListenSettings() []string { return listenSettings() }
