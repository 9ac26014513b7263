package report

import (
	"fmt"
	"strings"

	"nomadlab.internal/lab/finding"
)

// urgent says whether a reader in a hurry has to be told of the check one by one: what is broken for a known reason is summed
// up by that.
func (c check) urgent() bool {
	return c.Verdict == finding.NotCarriedOut || c.Verdict == finding.Broken && c.Known == ""
}

// knownSection sums up what is broken for a known reason. When Verbose it has been told already.
func (t *sheet) knownSection() {
	if t.Verbose {
		return
	}
	var reasons []string
	broken := map[string][]string{}
	for _, p := range t.planes {
		for _, c := range p.of(finding.Broken) {
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
	t.printf("\n%s, as is known of this cluster\n", t.word(finding.Broken))
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
