package posture

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// ErrNoSuchCheck is wrapped by Choose's error for a name that matches no check.
var ErrNoSuchCheck = errors.New("no such check")

// Choose returns the checks that match one of the names, in their order. A name is an ID, a pattern of IDs as
// path.Match has them, such as "raft-*", or a plane in any case. Without names it returns all. The error lists each
// name that matches none, with the planes and similar IDs; the checks of the other names are returned all the same.
func Choose(checks []Check, names ...string) ([]Check, error) {
	if len(names) == 0 {
		return checks, nil
	}
	var faults []error
	chosen := map[string]bool{}
	for _, name := range names {
		found := false
		for _, c := range checks {
			if c.matches(name) {
				chosen[c.spec.ID], found = true, true
			}
		}
		if !found {
			faults = append(faults, fmt.Errorf("%w: %q: name a plane (%s), an ID or a pattern such as %q%s",
				ErrNoSuchCheck, name, strings.Join(planes(checks), ", "), "raft-*", similarIDs(checks, name)))
		}
	}
	return slices.DeleteFunc(slices.Clone(checks), func(c Check) bool { return !chosen[c.spec.ID] }), errors.Join(faults...)
}

func (c Check) matches(name string) bool {
	if strings.EqualFold(name, string(c.spec.Plane)) {
		return true
	}
	matched, err := path.Match(name, c.spec.ID)
	return err == nil && matched
}

// planes returns the planes of the checks in their order, each once.
func planes(checks []Check) []string {
	var all []string
	for _, c := range checks {
		if p := strings.ToLower(string(c.spec.Plane)); !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

const maxSimilar = 5

// similarIDs offers at most maxSimilar IDs that contain the name, as the end of a sentence.
func similarIDs(checks []Check, name string) string {
	var ids []string
	for _, c := range checks {
		if strings.Contains(c.spec.ID, strings.ToLower(strings.Trim(name, "*"))) && len(ids) < maxSimilar {
			ids = append(ids, c.spec.ID)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(ids, ", ") + "?"
}
