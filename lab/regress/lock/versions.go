package lock

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// directionOfVersions returns where a change of the version of Nomad leads, if it alone decides that; decided is false if the results
// are to be compared as those of one version. A check that is not for one of the versions asks for a protection that this version
// does not have: what passes with the other is protected there alone, and what fails is protected with neither. A cell of the matrix
// may pass on both sides, as each version does what it is known to do, and yet a caller is let in on one side alone.
func directionOfVersions(before, after CheckResult) (direction finding.Direction, decided bool) {
	if before.ID == "" || after.ID == "" {
		return "", false
	}
	switch {
	case before.NotForVersion && after.Result == finding.Pass:
		return finding.Stronger, true
	case after.NotForVersion && before.Result == finding.Pass:
		return finding.Weaker, true
	case before.NotForVersion || after.NotForVersion:
		unknown := before.Result == finding.Inconclusive || after.Result == finding.Inconclusive
		return "", !unknown
	default:
		return directionOfCells(before, after)
	}
}

// directionOfCells is directionOfVersions for a cell of the matrix that passes on both sides.
func directionOfCells(before, after CheckResult) (direction finding.Direction, decided bool) {
	switch {
	case after.Plane != PlaneMatrix || before.Result != finding.Pass || after.Result != finding.Pass || before.accepts() == after.accepts():
		return "", false
	case after.accepts():
		return finding.Weaker, true
	default:
		return finding.Stronger, true
	}
}

// noteNewChecks notes the checks of a protection that only the newer side's version has, and that fail there.
func noteNewChecks(c *finding.Comparison, before, after map[string]CheckResult) {
	var failing []string
	for _, id := range slices.Sorted(maps.Keys(after)) {
		if before[id].NotForVersion && after[id].Result == finding.Fail {
			failing = append(failing, id)
		}
	}
	if len(failing) > 0 && c.Nomad != (finding.NomadChange{}) {
		addNote(c, fmt.Sprintf("Nomad %s offers protections that %s does not have, and these are not used: %s", c.Nomad.After, c.Nomad.Before, strings.Join(failing, ", ")))
	}
}
