// Package posture_test sees every check of the catalogue break, each at a real cluster that one line has weakened.
package posture_test

import (
	"context"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/probe"
)

// weakening is one line of configuration that a hardened lab goes without, and what it must break.
type weakening struct {
	// id names it for good: "server-tls-1.0".
	id string
	// line is what a reader sees: `tls { tls_min_version = "tls10" } on servers`.
	line string
	// spec comes on top of lab.Hardened().
	spec []lab.Option
	// after is done to the running lab, instead of spec or beside it, for example a policy for the anonymous token; nil for
	// nothing.
	after func(context.Context, *lab.Lab) error
	// until is what is waited for, where the lab does not become ready; zero: that it is.
	until lab.Wait
	// plane is the one whose checks alone are tried, where the weakening leaves next to nothing of a cluster; zero: all are.
	plane probe.Plane
	// undo takes after back, where several weakenings share one running lab; nil: the lab is thrown away.
	undo func(context.Context, *lab.Lab) error
	// breaks are the IDs of the checks that must break; others may.
	breaks []string
}

// weakenings are all of them, family by family.
func weakenings() []weakening {
	var all []weakening
	for _, family := range [][]weakening{
		weakenedTLS(), weakenedHTTP(), weakenedLimits(), weakenedGossip(), weakenedACL(), weakenedCertificates(),
		weakenedCluster(),
	} {
		all = append(all, family...)
	}
	return all
}
