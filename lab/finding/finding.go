// Package finding holds what a check found, as plain data: what was wanted,
// what was seen, the result, and the evidence for it. Reports read findings
// and nothing else, so that a finding says all that a reader needs.
package finding

import "time"

// Result says how a check ended. The zero value is no result: a finding that
// bears it was never judged, and a Summary counts it as NotCarriedOut.
type Result string

// The four ways in which a check ends.
const (
	// Held: the wanted outcome was seen, and the control gave its own before and after it.
	Pass Result = "pass"
	// Broken: the probe was let in and should not have been, whatever the control
	// gave; or the control gave its outcome and the probe another than was wanted.
	Fail Result = "fail"
	// NotCarriedOut: nothing was proved, because the agent was not reached, the
	// control did not give its outcome, or the reason was not in the agent's log.
	Inconclusive Result = "inconclusive"
	// Skipped: the check does not apply to this node, for the finding's Reason.
	Skipped Result = "skipped"
)

// Finding is what one check found at one node.
type Finding struct {
	// ID names the check, for example "raft-refuses-client-certificate".
	ID string `json:"id"`
	// Title is the promise as a sentence.
	Title string `json:"title"`
	// Plane is the front door that the promise guards: HTTP, RPC, Raft, gossip, wire; or cluster, for one that they form.
	Plane string `json:"plane"`
	// Kind says what traces the check leaves: safe, guarded, intrusive, destructive.
	Kind string `json:"kind"`
	// Severity says how bad it is when the promise is broken.
	Severity string `json:"severity"`
	// Node is the name of the agent that was asked.
	Node string `json:"node"`
	// Control says what the check's control does, as a sentence.
	Control string `json:"control,omitempty"`
	// Known says why a promise is known to be broken here, for a cluster that is made so; empty elsewhere. It changes no result.
	Known string `json:"known,omitempty"`
	// Want lists the outcomes of which one was wanted.
	Want []string `json:"want"`
	// Outcome is what the probe saw; empty when it did not run.
	Outcome string `json:"outcome,omitempty"`
	// Result is the judgement on Outcome.
	Result Result `json:"result"`
	// Reason says in words why the result is what it is.
	Reason string `json:"reason"`
	// Why is the source of the promise: a CVE, an issue, a line of Nomad's source.
	Why string `json:"why"`
	// Local is true for what only shows in this copy of the user's files, such as their modes, which version control does not
	// keep; false: it is so in every copy.
	Local bool `json:"local,omitempty"`
	// Settings are the settings of the agent's configuration that the promise rests on, by path, the likeliest first; empty:
	// on none.
	Settings []string `json:"settings,omitempty"`
	// CertificateOf is the role whose agents' tls.cert_file is meant among the Settings, where it is another than that of the agent
	// that was asked; empty: that one's.
	CertificateOf string `json:"certificate_of,omitempty"`
	// Evidence lists what was done and seen, in the order in which it happened.
	Evidence []Evidence `json:"evidence,omitempty"`
	// Took is the time that the whole check needed, in nanoseconds when encoded.
	Took time.Duration `json:"took_ns"`
}

// FilesOf is the Finding.Node of what was found in the files of a role; of all files, where the role is empty.
func FilesOf(role string) string {
	if role == "" {
		return "your files"
	}
	return "your " + role + " files"
}

// RoleOf says whose configuration one of the finding's Settings is looked for in, where an agent of that role was asked.
func (f Finding) RoleOf(path, asked string) string {
	if path == "tls.cert_file" && f.CertificateOf != "" {
		return f.CertificateOf
	}
	return RoleOf(path, asked)
}

// Part says which part of a check a piece of evidence comes from.
type Part string

// The parts of a check, in the order in which they run.
const (
	ControlBefore Part = "control before"
	Probe         Part = "probe"
	Log           Part = "log"
	ControlAfter  Part = "control after"
)

// Evidence is one thing that was done, and what came back. It holds no key
// material and no answer's contents: whoever observed has dropped them.
type Evidence struct {
	// Part says where in the check it belongs.
	Part Part `json:"part"`
	// Did is what was done, as a sentence.
	Did string `json:"did"`
	// Outcome is what was seen; empty for Part Log.
	Outcome string `json:"outcome,omitempty"`
	// Sent and Received say in words what went over the wire.
	Sent     string `json:"sent,omitempty"`
	Received string `json:"received,omitempty"`
	// TLSVersion and CipherSuite are what was negotiated; empty without TLS.
	TLSVersion  string `json:"tls_version,omitempty"`
	CipherSuite string `json:"cipher_suite,omitempty"`
	// ServerCertificate describes what the agent presented; empty without TLS.
	ServerCertificate string `json:"server_certificate,omitempty"`
	// Error is the error that the caller's side saw, if any.
	Error string `json:"error,omitempty"`
	// Lines are the lines of the agent's log that show the reason; only for Part Log.
	Lines []string `json:"lines,omitempty"`
	// Took is the time that this part needed, in nanoseconds when encoded.
	Took time.Duration `json:"took_ns"`
}
