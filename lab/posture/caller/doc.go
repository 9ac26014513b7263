// Package caller is who knocks at a cluster's doors, and what they hold: each kind of certificate that an agent may be
// shown, and none.
//
// The kinds are those of Nomad's own TLS tests and of what goes wrong in practice: another role, another region, a name
// that nearly fits, a certificate with one thing wrong. Which of them an agent takes on which plane is not known here.
package caller
