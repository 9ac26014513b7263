// Package advisory is the one table of what is known to be wrong with versions of Nomad: security bulletins, the versions that they
// are about, and the checks that show them. It is data: nothing in it asks a cluster.
//
// HashiCorp's bulletins, Nomad's change log and the Go vulnerability database (golang/vulndb) are its sources, as of August 2026.
// Advisories of Enterprise features alone, of Go itself and of libraries are not in it, nor are those that were fixed before 0.10.3.
package advisory

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// Advisory is one security bulletin.
type Advisory struct {
	// ID is HashiCorp's number of the bulletin, such as HCSEC-2026-19, or that of the CVE for one without.
	ID string
	// CVE is its number in the list of Common Vulnerabilities and Exposures.
	CVE string
	// Title says what a caller or a job can do.
	Title string
	// Affected are the versions that it is about.
	Affected []Range
	// Checks are the IDs of the checks that fail where it applies. Empty: none does, for the reason in NotShown.
	Checks   []string
	NotShown string
	// Note says where sources differ. Empty: they do not.
	Note string
	// Sources are where it is described, as URLs.
	Sources []string
}

// Range is versions of Nomad, in one line of releases.
type Range struct {
	// Since is the first that is affected. Empty: all before Fixed.
	Since string
	// Fixed is the first that is not affected any more.
	Fixed string
	// EnterpriseOnly is true if Fixed was released for Nomad Enterprise alone.
	EnterpriseOnly bool
}

// has reports whether the version is in the range.
func (r Range) has(version string) bool {
	return (r.Since == "" || semver.Compare("v"+version, "v"+r.Since) >= 0) && semver.Compare("v"+version, "v"+r.Fixed) < 0
}

// String says it as "1.11.0 to before 1.11.8 (Enterprise)".
func (r Range) String() string {
	text := "before " + r.Fixed
	if r.Since != "" {
		text = r.Since + " to before " + r.Fixed
	}
	if r.EnterpriseOnly {
		text += " (Enterprise)"
	}
	return text
}

// Affects reports whether the version is affected. It is false for a text that is no version. What follows a + in a version does not
// count, as in 1.11.3+ent.
func (a Advisory) Affects(version string) bool {
	return semver.IsValid("v"+version) && slices.ContainsFunc(a.Affected, func(r Range) bool { return r.has(version) })
}

// FixedIn returns the first versions of each edition, from that one on, in which it is fixed: for Nomad Enterprise in the same line of
// releases. Both are the same where the line's fix was released for both. It returns nothing for a version that is not affected.
func (a Advisory) FixedIn(version string) (community, enterprise string) {
	if !a.Affects(version) {
		return "", ""
	}
	for _, r := range a.Affected {
		if r.has(version) && enterprise == "" {
			enterprise = r.Fixed
		}
		if !r.EnterpriseOnly && community == "" && semver.Compare("v"+r.Fixed, "v"+version) > 0 {
			community = r.Fixed
		}
	}
	return community, enterprise
}

// For returns the advisories that affect a version, the newest first.
func For(version string) []Advisory {
	return slices.DeleteFunc(All(), func(a Advisory) bool { return !a.Affects(version) })
}

// Summary says in one sentence by which advisories a version is affected, and in which versions all of them are fixed. Empty: none is
// known to affect it.
func Summary(version string) string {
	all := For(version)
	if len(all) == 0 {
		return ""
	}
	ids := make([]string, 0, len(all))
	var community, enterprise string
	for _, a := range all {
		ids = append(ids, a.ID)
		forCommunity, forEnterprise := a.FixedIn(version)
		community, enterprise = newer(community, forCommunity), newer(enterprise, forEnterprise)
	}
	fixed := "all are fixed in " + enterprise
	if community != enterprise {
		fixed = fmt.Sprintf("all are fixed in Community Edition %s and Enterprise %s", community, enterprise)
	}
	return fmt.Sprintf("Nomad %s is affected by %s: %s (docs/advisories.md)", version, shortened(ids), fixed)
}

// newer returns the newer of two versions; an empty one is older than all.
func newer(a, b string) string {
	if semver.Compare("v"+a, "v"+b) < 0 {
		return b
	}
	return a
}

// shortened joins numbers of bulletins, each year once: HCSEC-2026-22, -21, -19.
func shortened(ids []string) string {
	var out []string
	before := ""
	for _, id := range ids {
		end := strings.LastIndex(id, "-") + 1
		if strings.HasPrefix(id, "HCSEC-") && id[:end] == before {
			out = append(out, id[end-1:])
			continue
		}
		before = id[:end]
		out = append(out, id)
	}
	return strings.Join(out, ", ")
}
