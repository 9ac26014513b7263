package finding

import (
	"cmp"
	"fmt"
)

// Comparison is the difference between a report and an earlier one, or one of another configuration.
type Comparison struct {
	// With names the other side: the path of the lock file, or the other configuration.
	With string `json:"with"`
	// Changes are the checks whose results differ, and those that were proved on neither side although a setting that they
	// rest on differs. Empty: none.
	Changes []Change `json:"changes"`
	// Settings are the settings that differ, by role and path, whether or not a result does. Empty: none differs, or the
	// settings of one side are not known.
	Settings []SettingChange `json:"settings,omitempty"`
	// Nomad are the versions of Nomad of the two sides, where they differ. Zero: they do not, or one is not known.
	Nomad NomadChange `json:"nomad,omitzero"`
	// Note says what no change shows: checks that fail and are not compared, and another gossip key. Empty: nothing.
	Note string `json:"note,omitempty"`
}

// NomadChange is the versions of Nomad of two sides, such as 1.10.5 and 1.11.3.
type NomadChange struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

// SettingChange is a setting of the configuration that differs between the two sides.
type SettingChange struct {
	// Role is that of the agents: server, client.
	Role string `json:"role"`
	// Path names it from the outermost block inwards, for example "tls.verify_server_hostname".
	Path string `json:"path"`
	// Before and After are HCL literals with secrets redacted; empty if that side does not set it.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// File and Line are where it is set now, the line counted from 1. Empty and 0: nowhere.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// String returns one line: the role and path, where it is set now, its value before and after.
func (s SettingChange) String() string {
	at := ""
	if s.File != "" {
		at = fmt.Sprintf(", %s:%d", s.File, s.Line)
	}
	const none = "(not set)"
	return fmt.Sprintf("%s %s%s: %s → %s", s.Role, s.Path, at, cmp.Or(s.Before, none), cmp.Or(s.After, none))
}

// Change is one check whose result differs between the two sides.
type Change struct {
	// ID, Title, Plane and Severity are those of the check, as in a Finding.
	ID       string `json:"id"`
	Title    string `json:"title"`
	Plane    string `json:"plane"`
	Severity string `json:"severity"`
	// Before and After are the results of the two sides.
	Before State `json:"before"`
	After  State `json:"after"`
	// Direction says whether the cluster became weaker.
	Direction Direction `json:"direction"`
	// Text is the change in words, for example "was refused in the handshake, is now accepted".
	Text string `json:"text"`
	// Setting is the path of the setting that most likely made the change. Empty: none is known.
	Setting string `json:"setting,omitempty"`
	// File and Line are where Setting is set, the line counted from 1. Empty and 0: nowhere.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// State is what one side of a comparison knows of a check. The zero value: the check was not run there.
type State struct {
	// Result is the check's; empty if it was not run.
	Result Result `json:"result,omitempty"`
	// Outcome is what the probe returned; empty if it did not run.
	Outcome string `json:"outcome,omitempty"`
	// Reason says why the result is what it is.
	Reason string `json:"reason,omitempty"`
}

// Direction says where a change leads. The zero value is none of them; read it as Unclear.
type Direction string

// The directions of a change.
const (
	// Weaker: a caller that was refused is accepted, or a check that passed fails.
	Weaker Direction = "weaker"
	// Stronger: a caller that was accepted is refused, or a check that failed passes.
	Stronger Direction = "stronger"
	// Unclear: neither is known, for example because the check is inconclusive or skipped on one side.
	Unclear Direction = "unclear"
)
