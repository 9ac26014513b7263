package finding

import (
	"cmp"
	"fmt"
)

// Comparison is how what was found differs from what was found before, or with another configuration.
type Comparison struct {
	// With is what it was compared with: the path of the lock, or the other configuration.
	With string `json:"with"`
	// Changes are the promises that ended another way, and those of which it is not known how they ended on either side,
	// where a setting that they rest on differs; empty: none.
	Changes []Change `json:"changes"`
	// Settings are the settings that differ, by role and path, whatever came of it; empty: none does, or those of one side are
	// not known.
	Settings []SettingChange `json:"settings,omitempty"`
	// Note says what no change shows: what was left out of the comparison and is broken, and that there is another gossip key;
	// empty: nothing.
	Note string `json:"note,omitempty"`
}

// SettingChange is one setting of the configuration that is another than before.
type SettingChange struct {
	// Role says whose agents have it: server, client.
	Role string `json:"role"`
	// Path names it from the outermost block inwards, for example "tls.verify_server_hostname".
	Path string `json:"path"`
	// Before and After are HCL literals, with secrets redacted; empty where it is not set on that side.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// File and Line are where it is set now, the line counted from 1; empty and 0: in no file.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// String says in one line whose setting it is, where it is set now, and what it was and is.
func (s SettingChange) String() string {
	at := ""
	if s.File != "" {
		at = fmt.Sprintf(", %s:%d", s.File, s.Line)
	}
	const none = "(not set)"
	return fmt.Sprintf("%s %s%s: %s → %s", s.Role, s.Path, at, cmp.Or(s.Before, none), cmp.Or(s.After, none))
}

// Change is one promise that ended another way than before.
type Change struct {
	// ID names the check, Title is its promise as a sentence, Plane and Severity are as in a Finding.
	ID       string `json:"id"`
	Title    string `json:"title"`
	Plane    string `json:"plane"`
	Severity string `json:"severity"`
	// Before and After are how the promise ended on the two sides.
	Before State `json:"before"`
	After  State `json:"after"`
	// Way says whether the cluster became weaker by it.
	Direction Direction `json:"direction"`
	// Text says the change in words, for example "was refused in the handshake, is now accepted".
	Text string `json:"text"`
	// Setting is the setting that most likely made the change, by its path; empty: none is known.
	Setting string `json:"setting,omitempty"`
	// File and Line are where Setting is set, the line counted from 1; empty and 0: in no file.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// State is how one promise ended. Its zero value is that of a promise that was not asked about.
type State struct {
	// Result is the judgement; empty where the promise was not asked about.
	Result Result `json:"result,omitempty"`
	// Outcome is what the probe saw; empty when it did not run.
	Outcome string `json:"outcome,omitempty"`
	// Reason says in words why the result is what it is.
	Reason string `json:"reason,omitempty"`
}

// Way says where a change leads. The zero value is no way: a reader must take it as Unclear.
type Direction string

// The ways in which a promise changes.
const (
	// Weaker: what was refused is let in, or a promise that held does not hold any more.
	Weaker Direction = "weaker"
	// Stronger: what was let in is refused, or a promise that was broken holds.
	Stronger Direction = "stronger"
	// Unclear: it cannot be told, for example because one side was not carried out or was skipped.
	Unclear Direction = "unclear"
)
