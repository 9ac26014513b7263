// Package deadline says when a wait is given up, in one place.
//
// A deadline ends a hang, and is no promise: what has it is done in moments on a quiet machine, and must also be done, later,
// on one whose processors are wanted six times over. So a deadline is minutes, or it is Fair. What Nomad promises about time,
// such as a limit of its own or an election, is kept beside the check that rests on it.
//
// It imports nothing of this module, and every package may import it.
package deadline

import "time"

const (
	// Hang is how long something is waited for that has no deadline of its own: one question, one command, one step of a
	// scenario. On a quiet machine the slowest takes some ten seconds (a client that was refused once comes back after 15 to
	// 30 s, client/client.go:2104), and a load of six times the processors makes it some minutes at worst.
	Hang = 5 * time.Minute
	// Start is how long a lab may take to come up once there is a Nomad. A quiet machine takes 3 s for five nodes and 11 s for
	// 43; that a node has ended is noticed at once, and ends the start.
	Start = 10 * time.Minute
	// Removal is how long a removal may take: of a lab, a node, or a process. SIGKILL and the removal of a folder are moments,
	// but a daemon that removes the containers of several labs does so one after another.
	Removal = 5 * time.Minute
)
