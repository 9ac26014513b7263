// Package caller makes the callers of a cluster: one for each kind of certificate that an agent may be shown, and one
// without.
//
// The kinds are those of Nomad's own TLS tests and of mistakes that happen in practice: another role, another region,
// a name that nearly matches, a certificate with one defect. This package does not know which of them an agent
// accepts.
package caller
