package report

import (
	"fmt"
	"strings"

	"nomadlab.internal/lab/finding"
)

// urgent says whether a reader in a hurry has to be told of the check one by one: what is broken for a known reason is summed
// up by that, and what could not be tried for the same reason as many others by that.
func (t *sheet) urgent(c check) bool {
	switch c.Result {
	case finding.Fail:
		return c.Known == ""
	case finding.Inconclusive:
		return len(t.untried[untriedWhy(c)]) <= toldOneByOne
	default:
		return false
	}
}

// toldOneByOne is up to how many checks that could not be tried for one reason are told one by one.
const toldOneByOne = 3

// untriedWhy is where and why a check could not be tried. What was wanted there makes no difference.
func untriedWhy(c check) string {
	for _, s := range c.sightings() {
		if s.verdict == finding.Inconclusive {
			return strings.Join(s.nodes, ", ") + ": " + s.reason
		}
	}
	return ""
}

// untriedByReason are the IDs of the checks that could not be tried, by where and why.
func (v view) untriedByReason() map[string][]string {
	ids := map[string][]string{}
	for _, c := range v.of(finding.Inconclusive) {
		ids[untriedWhy(c)] = append(ids[untriedWhy(c)], c.ID)
	}
	return ids
}

// untriedSection sums up what many checks have in common that could not be tried. When Verbose it has been told already.
func (t *sheet) untriedSection() {
	if t.Verbose {
		return
	}
	told := map[string]bool{}
	for _, c := range t.of(finding.Inconclusive) {
		why := untriedWhy(c)
		ids := t.untried[why]
		if told[why] || len(ids) <= toldOneByOne {
			continue
		}
		if len(told) == 0 {
			t.printf("\n%s, for a reason that many have in common\n", t.word(finding.Inconclusive))
		}
		told[why] = true
		t.line(fmt.Sprintf("  %3d  ", len(ids)), "at "+why+": "+few(ids))
	}
}

// knownSection sums up what is broken for a known reason. When Verbose it has been told already.
func (t *sheet) knownSection() {
	if t.Verbose {
		return
	}
	var reasons []string
	broken := map[string][]string{}
	for _, p := range t.planes {
		for _, c := range p.of(finding.Fail) {
			if c.Known == "" {
				continue
			}
			if broken[c.Known] == nil {
				reasons = append(reasons, c.Known)
			}
			broken[c.Known] = append(broken[c.Known], c.ID)
		}
	}
	if len(reasons) == 0 {
		return
	}
	t.printf("\n%s, as is known of this cluster\n", t.word(finding.Fail))
	for _, reason := range reasons {
		t.line(fmt.Sprintf("  %3d  ", len(broken[reason])), reason+": "+few(broken[reason]))
	}
}

// shownOfMany is how many of a long list are named.
const shownOfMany = 6

// few are the first of a long list, and how many there are besides.
func few(ids []string) string {
	if len(ids) <= shownOfMany+1 {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %d more, which -v lists", strings.Join(ids[:shownOfMany], ", "), len(ids)-shownOfMany)
}
