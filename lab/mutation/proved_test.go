package mutation_test

import (
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/posture"
)

// distinct is how many checks there must be that no other check could stand for: those that fail because of the same mutations
// count as one.
const distinct = 90

// unproved lists what the table does not prove: each check must be seen to fail because of a mutation that leaves more than
// half of its plane's checks alone, as one that fails when all do tells nothing of it.
func unproved(checks []posture.Spec, seen []mutation.Seen) []string {
	var faults []string
	for _, c := range checks {
		if len(caught(c, seen)) == 0 {
			faults = append(faults, fmt.Sprintf("%s was never seen to fail because of a mutation that leaves enough of the %s checks alone; it failed at %v",
				c.ID, c.Plane, failing(c.ID, seen)))
		}
	}
	if alike := alike(checks, seen); len(alike) < distinct {
		faults = append(faults, fmt.Sprintf("%d checks fail because of mutations of their own, there must be %d", len(alike), distinct))
	}
	return faults
}

// alike are the checks that fail because of the same mutations, by these.
func alike(checks []posture.Spec, seen []mutation.Seen) map[string][]string {
	all := map[string][]string{}
	for _, c := range checks {
		row := strings.Join(failing(c.ID, seen), " ")
		all[row] = append(all[row], c.ID)
	}
	return all
}

// failing are the mutations, with their scopes, because of which the check failed.
func failing(id string, seen []mutation.Seen) []string {
	var all []string
	for _, s := range seen {
		if slices.Contains(s.Fails, id) {
			all = append(all, s.Mutation+" of "+string(s.Scope))
		}
	}
	return all
}

// caught are those of them that left enough of the plane's checks alone, the most telling first: those with the fewest failures.
func caught(c posture.Spec, seen []mutation.Seen) []mutation.Seen {
	var telling []mutation.Seen
	for _, s := range seen {
		if slices.Contains(s.Fails, c.ID) && slices.Contains(s.Sound, string(c.Plane)) {
			telling = append(telling, s)
		}
	}
	slices.SortStableFunc(telling, func(a, b mutation.Seen) int { return len(a.Fails) - len(b.Fails) })
	return telling
}
