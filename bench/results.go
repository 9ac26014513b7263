package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// results holds all that one run has measured.
type results struct {
	// date is when the run began.
	date    time.Time
	machine machine
	// interrupted is true if the run was ended early.
	interrupted bool
	// rounds are clusters of three servers and two clients; sizes are clusters of more and more clients.
	rounds, sizes []boot
	// sources are clusters of the size of rounds whose certificates come from elsewhere, beside those of the engines.
	sources []boot
	// leftOut are the contestants of sources that could not take part.
	leftOut []leftOut
}

// boot is one cluster that was brought up and removed.
type boot struct {
	by contestant
	// round counts from 1.
	round, clients int
	// seconds has the milestones that were seen.
	seconds map[milestone]float64
	// memory is measured in results.sizes only.
	memory memory
	steps  []step
	// err is nil, or why it failed. A boot that failed does not count.
	err error
}

// milestone is a point on a cluster's way up, or its end. Its text is its name in the tables.
type milestone string

// The milestones. All but returned and removed are seen from outside, by the same observer for every contestant.
const (
	// answered is the first answer of any server over HTTPS, whatever its content.
	answered milestone = "first HTTPS answer"
	// leader is when any server first names a leader.
	leader milestone = "leader"
	// voters is when Raft's configuration first has all servers as voters.
	voters milestone = "all voters"
	// ready is when all clients are ready in the list of nodes.
	ready milestone = "clients ready"
	// returned is when lab.Up returned. Scripts do not have it.
	returned milestone = "Up returned"
	// removed counts from the order to remove until everything is gone.
	removed milestone = "removed"
	// vaultStart counts from the start of a lab's Vault server until it can issue certificates. Other labs do not have it.
	vaultStart milestone = "Vault start"
)

// seenFromOutside returns the milestones that the observer sees, in their order.
func seenFromOutside() []milestone { return []milestone{answered, leader, voters, ready} }

// milestones returns all of them, in their order.
func milestones() []milestone { return append(seenFromOutside(), returned, removed) }

// measures returns the milestones, and what else is measured in seconds.
func measures() []milestone { return append(milestones(), vaultStart) }

// step is one event of a boot.
type step struct {
	// at is in seconds since the start.
	at float64
	// source is "lab" or "observer".
	source, text string
}

// of returns a contestant's boots that did not fail.
func of(boots []boot, contestant string) []boot {
	var out []boot
	for _, b := range boots {
		if b.by.name == contestant && b.err == nil {
			out = append(out, b)
		}
	}
	return out
}

// secondsTo returns the times to a milestone, by round. Boots that have not seen it are left out.
func secondsTo(m milestone, boots []boot) map[int]float64 {
	out := map[int]float64{}
	for _, b := range boots {
		if s, seen := b.seconds[m]; seen {
			out[b.round] = s
		}
	}
	return out
}

// typical returns the boot whose time to lab.Up's return is nearest to the median, and false if no boot has one.
func typical(boots []boot) (boot, bool) {
	boots = slices.DeleteFunc(slices.Clone(boots), func(b boot) bool { _, has := b.seconds[returned]; return !has })
	if len(boots) == 0 {
		return boot{}, false
	}
	median := summarize(secondsTo(returned, boots)).median
	return slices.MinFunc(boots, func(a, b boot) int {
		return cmp.Compare(math.Abs(a.seconds[returned]-median), math.Abs(b.seconds[returned]-median))
	}), true
}

// summary describes a sample. The zero summary is that of no values.
type summary struct {
	n int
	// median and the rest have the unit of the values.
	min, q1, median, q3, max float64
}

// summarize returns the summary of values by round.
func summarize(byRound map[int]float64) summary {
	var sorted []float64
	for _, v := range byRound {
		sorted = append(sorted, v)
	}
	if len(sorted) == 0 {
		return summary{}
	}
	slices.Sort(sorted)
	return summary{
		n: len(sorted), min: sorted[0], max: sorted[len(sorted)-1],
		q1: quantile(sorted, 0.25), median: quantile(sorted, 0.5), q3: quantile(sorted, 0.75),
	}
}

// quantile puts the smallest value at p = 0 and the largest at 1, and interpolates between neighbours.
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	below := int(at)
	if below+1 == len(sorted) {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// ratio compares two contestants, each by round. ofMedians is the ratio of the two medians, or zero if one has none.
// paired summarizes the ratios of each round by itself, which do not show what slowed a whole round down.
func ratio(ours, theirs map[int]float64) (ofMedians float64, paired summary) {
	byRound := map[int]float64{}
	for round, x := range ours {
		if y := theirs[round]; y > 0 {
			byRound[round] = x / y
		}
	}
	if below := summarize(theirs).median; below > 0 {
		ofMedians = summarize(ours).median / below
	}
	return ofMedians, summarize(byRound)
}
