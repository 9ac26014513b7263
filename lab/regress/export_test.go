package regress

import (
	"context"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
	"nomadlab.internal/lab/spec"
)

// CheckFiles returns what the checks of those names, or all, find in the user's own files.
func CheckFiles(ctx context.Context, s Source, names ...string) ([]finding.Finding, error) {
	return checkFiles(ctx, s, names...)
}

// SettingChecks returns the IDs of the checks of settings.
func SettingChecks() []string {
	var ids []string
	for _, t := range settingChecks() {
		ids = append(ids, t.id)
	}
	return ids
}

// Judge returns the result of a mutation by the reports without it and with it.
func Judge(m mutation.Mutation, base, now finding.Report) Result {
	return judge(m, resultsOf(base, nil), resultsOf(now, nil))
}

// JudgeTogether returns the results of the mutations of a pack that are killed, and why the others are tried apart.
func JudgeTogether(p mutation.Pack, base, now finding.Report) (killed []Result, apart string) {
	return judgeTogether(p, resultsOf(base, nil), now)
}

// JudgeEquivalents returns the results of equivalent mutations: those that are proved, and those that are tried apart.
func JudgeEquivalents(all []mutation.Mutation, base, now finding.Report, err error) (proved, doubted []Result) {
	return judgeEquivalents(all, resultsOf(base, nil), resultsOf(now, nil), err)
}

// Size returns how many agents the clusters of mutations have.
func Size(s Source) mutation.Size { return s.size() }

// ApartWith returns the cluster of a mutation that is tried alone.
func ApartWith(m mutation.Mutation, size mutation.Size) mutation.Pack { return apartWith(m, size) }

// Stages returns the checks that a mutation meets in a cluster of its own, stage by stage.
func Stages(p mutation.Pack) []inspect.Options { return stages(p) }

// Sized returns the pack as the configuration has agents for it, and the overrides for that.
func Sized(s Source, p mutation.Pack) (mutation.Pack, []spec.Override) { return s.sized(p) }

// WhyInapplicable returns why the mutation changes nothing of the configuration; empty if it does.
func WhyInapplicable(m mutation.Mutation, s Source) string { return s.inapplicable(m) }

// Mutated returns the configuration with a mutation that no running agent carries.
func Mutated(m mutation.Mutation, s Source) Source {
	if m.File != nil {
		s, _ = s.defective(m.Role, *m.File)
		return s
	}
	return s.with([]mutation.Mutation{m}).source
}

// Settings returns the settings that checks rest on, as the configuration has them.
func Settings(s Source) []finding.Setting {
	var all []finding.Setting
	for _, role := range s.roles() {
		all = append(all, settingsIn(role, s.files(role), checkedSettings())...)
	}
	return all
}

// Others returns the settings that no check rests on.
func Others(s Source) []finding.Setting {
	var all []finding.Setting
	for _, role := range s.roles() {
		all = append(all, settingsIn(role, s.files(role), unchecked(s.files(role), checkedSettings()))...)
	}
	return all
}

// Configuration returns what a report says of the files, before anything is started.
func Configuration(s Source) *finding.Configuration { return describe(variant{source: s}, plan.Plan{}) }

// Results returns the results of all checks and cells at the nodes for which at returns true.
func Results(r finding.Report, at func(node string) bool) map[string]finding.Result {
	all := map[string]finding.Result{}
	for id, s := range resultsOf(r, at) {
		all[id] = s.result
	}
	return all
}

// OrderCauses puts the settings of each failed check in the order in which they most likely are the cause.
func OrderCauses(r *finding.Report, client *pki.Credential) { orderCauses(r, client) }

// CommonCauses returns the notes on the common causes of a report's failures.
func CommonCauses(s Source, r finding.Report) []string { return s.commonCauses(r) }

// SidesUnready returns the notes of both reports of a diff.
func SidesUnready(was, is finding.Report) []string { return sidesUnready(was, is) }

// Sided returns a tell for one of the two clusters of a diff.
func Sided(as string, tell func(lab.Event)) func(lab.Event) { return sided(as, tell) }

// FileSettings returns the settings of the checks of files by ID, as the tables have them: settings.Any stands for a label or a
// key. The checks of files that hold secrets are about every setting that is one.
func FileSettings() (of map[string][]string, ofSecrets []string) {
	of = map[string][]string{}
	for _, c := range allFileChecks([]pki.Role{pki.Server, pki.Client}) {
		of[c.id] = c.settings
		if strings.HasSuffix(c.id, "-configuration-with-secrets-is-private") {
			ofSecrets = append(ofSecrets, c.id)
		}
	}
	return of, ofSecrets
}

// ListenSettings returns the settings that decide where agents listen.
func ListenSettings() []string { return listenSettings() }
