// Package measure holds what a benchmark run has measured, and the statistics on it.
package measure

// Milestone is a point on a cluster's way up, or its end.
type Milestone string

// The milestones. All but Returned are seen from outside, by the same observer for every contestant.
const (
	// Answered is the first answer of any server over HTTPS, whatever it says.
	Answered Milestone = "answered"
	// Leader is when any server first names a leader.
	Leader Milestone = "leader"
	// Voters is when Raft's configuration first has all servers as voters.
	Voters Milestone = "voters"
	// Ready is when all clients are ready in the list of nodes.
	Ready Milestone = "ready"
	// Returned is when lab.Up returned. Scripts have none.
	Returned Milestone = "returned"
	// Removed is counted from the order to remove until everything is gone.
	Removed Milestone = "removed"
)

// Milestones are all of them, in the order in which they come.
func Milestones() []Milestone {
	return []Milestone{Answered, Leader, Voters, Ready, Returned, Removed}
}

// Compared are those that every contestant has.
func Compared() []Milestone { return []Milestone{Answered, Leader, Voters, Ready, Removed} }

// Title says in words what the milestone is. That of an unknown one is its name.
func (m Milestone) Title() string {
	switch m {
	case Answered:
		return "first HTTPS answer"
	case Leader:
		return "leader"
	case Voters:
		return "all voters"
	case Ready:
		return "clients ready"
	case Returned:
		return "Up returned"
	case Removed:
		return "removed"
	default:
		return string(m)
	}
}
