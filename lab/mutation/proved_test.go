package mutation_test

import (
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/posture"
)

// distinct is the least number of checks that no other check could replace; checks that fail because of the same
// mutations count as one.
const distinct = 90

// inseparable lists, with the reason, the checks that fail only because of a change of their whole plane. That they
// do not fail everywhere is seen at the agents beside the one that carries the change.
func inseparable() map[string]string {
	return map[string]string{
		"client-reaches-its-servers":              "a client has two checks of the cluster, and one that gets no answers is not ready either",
		"client-is-registered-and-ready":          "the same",
		"client-https-refuses-plaintext":          "without TLS there is no certificate, version or suite, of which half of a client's HTTP checks are",
		"client-network-carries-no-http-in-clear": "a client has two checks of the wire at most",
		"client-takes-no-client-for-a-server":     "a client has no other check of RPC",
	}
}

// unproved lists what the table does not prove. Each check, except the inseparable ones, must be seen to fail because
// of a mutation that leaves more than half of its plane's checks passing at the agents that carry it: a check that
// fails when all do proves nothing.
func unproved(checks []posture.Spec, seen []mutation.Seen, exceptions map[string]string) []string {
	var faults []string
	for _, c := range checks {
		is, excepted := len(caught(c, seen)) > 0, exceptions[c.ID] != ""
		switch {
		case len(failing(c.ID, seen)) == 0 || !is && !excepted:
			faults = append(faults, fmt.Sprintf("%s was never seen to fail because of a mutation that leaves enough of the %s checks alone; it failed at %v",
				c.ID, c.Plane, failing(c.ID, seen)))
		case is && excepted:
			faults = append(faults, c.ID+" is no exception: it was seen to fail beside enough that passed")
		}
	}
	if alike := alike(checks, seen); len(alike) < distinct {
		faults = append(faults, fmt.Sprintf("%d checks fail because of mutations of their own, there must be %d", len(alike), distinct))
	}
	return faults
}

// alike groups the checks by the mutations that make them fail.
func alike(checks []posture.Spec, seen []mutation.Seen) map[string][]string {
	all := map[string][]string{}
	for _, c := range checks {
		row := strings.Join(failing(c.ID, seen), " ")
		all[row] = append(all[row], c.ID)
	}
	return all
}

// failing returns the mutations, with their scopes, because of which the check failed.
func failing(id string, seen []mutation.Seen) []string {
	var all []string
	for _, s := range made(id, seen) {
		all = append(all, s.Mutation+" of "+string(s.Scope))
	}
	return all
}

// made returns what was seen of these mutations.
func made(id string, seen []mutation.Seen) []mutation.Seen {
	return slices.DeleteFunc(slices.Clone(seen), func(s mutation.Seen) bool { return !slices.Contains(s.Fails, id) })
}

// caught returns those that left enough of the plane's checks passing, the ones with the fewest failures first.
func caught(c posture.Spec, seen []mutation.Seen) []mutation.Seen {
	var telling []mutation.Seen
	for _, s := range made(c.ID, seen) {
		if slices.Contains(s.Sound, string(c.Plane)) {
			telling = append(telling, s)
		}
	}
	slices.SortStableFunc(telling, func(a, b mutation.Seen) int { return len(a.Fails) - len(b.Fails) })
	return telling
}
