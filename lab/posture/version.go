package posture

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// Verified returns the versions of Nomad with which the whole catalogue was verified, oldest first: at a hardened cluster of each,
// every check that is for it passes, with its control.
func Verified() []string { return []string{"1.10.5", "1.11.3"} }

// validateVersions returns what is wrong with the versions that the check is for.
func (s Spec) validateVersions() error {
	var faults []error
	for _, version := range slices.Concat([]string{s.Since, s.Until}, s.Verified) {
		if version != "" && semver.Canonical("v"+version) != "v"+version {
			faults = append(faults, fmt.Errorf("%q is no version of Nomad: write it as 1.11.0", version))
		}
	}
	switch bounded := s.Since+s.Until != ""; {
	case bounded && s.Bound == "":
		faults = append(faults, errors.New("it has a Since or an Until, and no Bound: say why it is for these releases alone"))
	case !bounded && s.Bound != "":
		faults = append(faults, errors.New("it has a Bound, and neither Since nor Until"))
	case s.Since != "" && s.Until != "" && semver.Compare("v"+s.Since, "v"+s.Until) >= 0:
		faults = append(faults, fmt.Errorf("it is for no version: since %s, until %s", s.Since, s.Until))
	}
	return errors.Join(faults...)
}

// isBefore reports whether the first version is known, and older than the second. What follows a + does not count, as in 1.10.5+ent.
func isBefore(version, other string) bool {
	return semver.IsValid("v"+version) && semver.Compare("v"+version, "v"+other) < 0
}

// notFor returns why the check is not for an agent of that version; empty if it is, or if the version is not known.
func (s Spec) notFor(version string) string {
	switch {
	case s.Since != "" && isBefore(version, s.Since):
		return fmt.Sprintf("the check is for Nomad %s and newer, and this agent runs %s: %s", s.Since, version, s.Bound)
	case s.Until != "" && semver.IsValid("v"+version) && !isBefore(version, s.Until):
		return fmt.Sprintf("the check is for versions of Nomad before %s, and this agent runs %s: %s", s.Until, version, s.Bound)
	default:
		return ""
	}
}

// unverified returns why a result at an agent of that version is less certain; empty if the check was verified for it, or if the
// version is not known.
func (s Spec) unverified(version string) string {
	release, _, _ := strings.Cut(version, "+")
	if version == "" || slices.Contains(s.Verified, release) {
		return ""
	}
	return fmt.Sprintf("the check was verified with Nomad %s, and this agent runs %s", strings.Join(s.Verified, ", "), version)
}
