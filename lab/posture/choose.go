package posture

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// ErrNoSuchCheck is wrapped by Choose's error for a name that no check answers to.
var ErrNoSuchCheck = errors.New("no such check")

// Choose returns the checks that one of the names means: an ID, a pattern of IDs such as "raft-*", or a plane in any case. No
// names mean all. Each name that means none is an error that tells the planes, and IDs that are like it.
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

// isMeant says whether the name means the check.
func (c Check) matches(name string) bool {
	if strings.EqualFold(name, string(c.spec.Plane)) {
		return true
	}
	matched, err := path.Match(name, c.spec.ID)
	return err == nil && matched
}

// planes are the checks' planes in their order, each once.
func planes(checks []Check) []string {
	var all []string
	for _, c := range checks {
		if p := strings.ToLower(string(c.spec.Plane)); !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// maxLike bounds how many IDs are offered.
const maxSimilar = 5

// like offers IDs that contain the name, as the end of a sentence.
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
