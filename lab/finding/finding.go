// Package finding holds what checks found, as plain data: the wanted outcome, the one that was seen, the result and its
// evidence. Reports read findings and nothing else.
package finding

import "time"

// Result is the result of a check. The zero value means that the finding was never judged.
type Result string

// The results.
const (
	// Pass: the probe gave the wanted outcome, and the control gave its own before and after it.
	Pass Result = "pass"
	// Fail: the probe was accepted and should not have been, whatever the control gave; or the control gave its outcome and
	// the probe another one than was wanted.
	Fail Result = "fail"
	// Inconclusive: nothing was proved, because the agent was not reached, the control did not give its outcome, or the
	// agent's log did not show the reason.
	Inconclusive Result = "inconclusive"
	// Skipped: the check does not apply to this node; Finding.Reason says why.
	Skipped Result = "skipped"
)

// Finding is what one check found at one node.
type Finding struct {
	// ID names the check, for example "raft-refuses-client-certificate".
	ID string `json:"id"`
	// Title says, as a sentence, what is so if the check passes.
	Title string `json:"title"`
	// Plane is where the check looks: cluster, HTTP, RPC, Raft, gossip, network, files.
	Plane string `json:"plane"`
	// Kind says what traces the check leaves: safe, guarded, intrusive, destructive.
	Kind string `json:"kind"`
	// Severity says how bad a failure is: critical, high, medium, low.
	Severity string `json:"severity"`
	// Node is the name of the agent that was probed, or FilesOf its role.
	Node string `json:"node"`
	// Control says what the check's control does, as a sentence.
	Control string `json:"control,omitempty"`
	// Known says why the check is known to fail here, for a cluster that is made so. Empty elsewhere. The result is the same.
	Known string `json:"known,omitempty"`
	// Want lists the outcomes of which one was wanted.
	Want []string `json:"want"`
	// Outcome is what the probe returned; empty if it did not run.
	Outcome string `json:"outcome,omitempty"`
	// Result is the judgement on Outcome.
	Result Result `json:"result"`
	// Reason says why the result is what it is.
	Reason string `json:"reason"`
	// Why is the source of the check: a CVE, an issue, a line of Nomad's source.
	Why string `json:"why"`
	// Unverified says that the check was not verified for the version of Nomad that the agent runs. Empty: it was, or the version is not
	// known.
	Unverified string `json:"unverified,omitempty"`
	// NotForVersion is true for a check that is skipped because it is not for the version of Nomad that the agent runs.
	NotForVersion bool `json:"not_for_version,omitempty"`
	// Local is true for what shows only in this copy of the user's files, such as their modes, which version control does
	// not keep.
	Local bool `json:"local,omitempty"`
	// Settings are the paths of the settings that the check rests on, the likeliest cause first. Empty: none.
	Settings []string `json:"settings,omitempty"`
	// CertificateOf is the role whose agents' tls.cert_file is meant among Settings. Empty: that of Node.
	CertificateOf string `json:"certificate_of,omitempty"`
	// Evidence lists what was done and seen, in order of time.
	Evidence []Evidence `json:"evidence,omitempty"`
	// Took is the time that the whole check needed, in nanoseconds when encoded.
	Took time.Duration `json:"took_ns"`
}

// FilesOf returns the Finding.Node of findings about the files of a role, or about all files if role is empty.
func FilesOf(role string) string {
	if role == "" {
		return "your files"
	}
	return "your " + role + " files"
}

// RoleOf is RoleOf for one of the finding's Settings.
func (f Finding) RoleOf(path, asked string) string {
	if path == "tls.cert_file" && f.CertificateOf != "" {
		return f.CertificateOf
	}
	return RoleOf(path, asked)
}

// Part is the part of a check that a piece of evidence comes from.
type Part string

// The parts of a check, in the order in which they run.
const (
	ControlBefore Part = "control before"
	Probe         Part = "probe"
	Log           Part = "log"
	ControlAfter  Part = "control after"
)

// Evidence is one thing that was done, and what came back. It holds no key material and no content of answers: probes
// drop both.
type Evidence struct {
	// Part says where in the check it belongs.
	Part Part `json:"part"`
	// Did is what was done, as a sentence.
	Did string `json:"did"`
	// Outcome is what was seen; empty for Part Log.
	Outcome string `json:"outcome,omitempty"`
	// Sent and Received describe what went over the network.
	Sent     string `json:"sent,omitempty"`
	Received string `json:"received,omitempty"`
	// TLSVersion and CipherSuite are what was negotiated; empty without TLS.
	TLSVersion  string `json:"tls_version,omitempty"`
	CipherSuite string `json:"cipher_suite,omitempty"`
	// ServerCertificate describes what the agent presented; empty without TLS.
	ServerCertificate string `json:"server_certificate,omitempty"`
	// Error is the error that the caller saw, if any.
	Error string `json:"error,omitempty"`
	// Lines are the lines of the agent's log that show the reason; only for Part Log.
	Lines []string `json:"lines,omitempty"`
	// Took is the time that this part needed, in nanoseconds when encoded.
	Took time.Duration `json:"took_ns"`
}
