package load

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Limits say what a load may cost. The zero Limits allow nothing that a user of the cluster would notice, except for gaps, failed
// attempts and cut connections, which are told and not limited.
type Limits struct {
	// FailedCalls is how many calls may fail after all their attempts.
	FailedCalls int
	// Moved and Restarted are how many allocations may be replaced, lost or ended, and restarted.
	Moved, Restarted int
	// Gap is the longest time in which no call of a kind may succeed. Zero: it is not limited.
	Gap time.Duration
	// LeastWrites and LeastReads are how many a second must succeed for the run to count. Zero: 1. Below zero: any number.
	LeastWrites, LeastReads float64
	// Excused are times in which calls may fail. Lost writes, stale reads and moved allocations are never excused.
	Excused []Excuse
}

// Excuse is a time in which calls may fail with certain outcomes.
type Excuse struct {
	From, To time.Time
	// Outcomes are those with which the last attempt of a call may end. Empty: any.
	Outcomes []Outcome
	// Why is the reason, for the report.
	Why string
}

// Result is what a judgement comes to.
type Result string

// The results of a judgement.
const (
	// Pass is a load that lost nothing.
	Pass Result = "pass"
	// Cost is a load that lost something, as the lines say.
	Cost Result = "cost"
	// Inconclusive is a run that does not count: too few calls succeeded, or what matters is not known.
	Inconclusive Result = "inconclusive"
)

// Judgement is what a history shows.
type Judgement struct {
	Result Result `json:"result"`
	// Lines say it in words, one subject a line.
	Lines []Line `json:"lines"`
	// Writes and Reads are how many succeeded, and WriteRate and ReadRate how many a second.
	Writes    int     `json:"writes"`
	Reads     int     `json:"reads"`
	WriteRate float64 `json:"writes_per_second"`
	ReadRate  float64 `json:"reads_per_second"`
	// Lost are acknowledged writes that were not there later.
	Lost []LostWrite `json:"lost"`
	// Stale are reads that returned less than the last write that was acknowledged before they began.
	Stale []StaleRead `json:"stale"`
	// FailedWithout counts the calls whose first attempt failed, and FailedAfter those whose last one did.
	FailedWithout int `json:"failed_without_retry"`
	FailedAfter   int `json:"failed_after_retry"`
	// Excused counts the failed calls that Limits.Excused covers. FailedAfter has the others.
	Excused int `json:"excused"`
	// Gaps are the longest times without a success.
	Gaps map[Kind]Gap `json:"gaps"`
	// Moved are the allocations that were replaced, lost or ended, and Restarted those whose tasks were restarted.
	Moved     []string     `json:"moved"`
	Restarted []string     `json:"restarted"`
	Cut       []Connection `json:"cut"`
}

// Line is one subject of a judgement.
type Line struct {
	Name string `json:"name"`
	Text string `json:"text"`
	// Result is Pass, Cost or Inconclusive.
	Result Result `json:"result"`
}

// LostWrite is a write that was acknowledged and was not there later.
type LostWrite struct {
	Variable string `json:"variable"`
	Value    int64  `json:"value"`
	// Found is the older number that was there instead.
	Found int64 `json:"found"`
	// At is when that was seen, and Node through which server; empty: at the end.
	At   time.Time `json:"at,omitzero"`
	Node string    `json:"node,omitempty"`
}

// StaleRead is a read that returned an older number than it had to.
type StaleRead struct {
	Variable string    `json:"variable"`
	Value    int64     `json:"value"`
	Least    int64     `json:"least"`
	At       time.Time `json:"at"`
	Node     string    `json:"node"`
}

// Gap is a time without a success.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Length returns how long the gap is.
func (g Gap) Length() time.Duration { return g.To.Sub(g.From) }

var (
	// ErrCost is wrapped by Err for a load that lost something.
	ErrCost = errors.New("the work suffered")
	// ErrInconclusive is wrapped by Err for a run that does not count.
	ErrInconclusive = errors.New("the run does not count")
)

// Err returns nil for Pass, and else an error with the lines that are to blame.
func (j Judgement) Err() error {
	if j.Result == Pass {
		return nil
	}
	var bad []string
	for _, l := range j.Lines {
		if l.Result != Pass {
			bad = append(bad, l.Name+": "+l.Text)
		}
	}
	kind := ErrInconclusive
	if j.Result == Cost {
		kind = ErrCost
	}
	return fmt.Errorf("%w: %s", kind, strings.Join(bad, "; "))
}

// String returns the result and all lines.
func (j Judgement) String() string {
	var b strings.Builder
	b.WriteString(string(j.Result))
	for _, l := range j.Lines {
		_, _ = fmt.Fprintf(&b, "\n  %-12s  %s: %s", l.Result, l.Name, l.Text)
	}
	return b.String()
}

// Judge says what a history shows. It is pure but for its time: the search for an order of each variable's calls is bounded.
func (h History) Judge(limits Limits) Judgement {
	j := Judgement{Result: Pass, Gaps: map[Kind]Gap{}, Lost: h.lost(), Stale: h.stale()}
	for _, c := range h.Connections {
		if c.Cut != "" {
			j.Cut = append(j.Cut, c)
		}
	}
	j.judgeRate(h, limits)
	j.judgeValues(h)
	j.judgeCalls(h, limits)
	j.judgeGaps(h, limits)
	j.judgeAllocations(h, limits)
	j.judgeServers(h)
	j.add("agents not healthy", Pass, "%s", h.unhealthy())
	j.add("connections", Pass, "%s", connectionsInWords(h.Connections, j.Cut))
	for _, text := range h.Unknown {
		j.add("unknown", Inconclusive, "%s", text)
	}
	for _, text := range h.Notes {
		j.add("note", Pass, "%s", text)
	}
	return j
}

// add adds a line. What was lost counts more than what is not known.
func (j *Judgement) add(name string, r Result, format string, args ...any) {
	j.Lines = append(j.Lines, Line{Name: name, Text: fmt.Sprintf(format, args...), Result: r})
	if r == Cost || r == Inconclusive && j.Result == Pass {
		j.Result = r
	}
}

func resultOf(bad bool) Result {
	if bad {
		return Cost
	}
	return Pass
}

func (j *Judgement) judgeRate(h History, limits Limits) {
	for _, c := range h.Calls {
		switch {
		case c.Acknowledged && c.Kind == Write:
			j.Writes++
		case c.Acknowledged:
			j.Reads++
		}
	}
	seconds := h.Ended.Sub(h.Started).Seconds()
	if seconds > 0 {
		j.WriteRate, j.ReadRate = float64(j.Writes)/seconds, float64(j.Reads)/seconds
	}
	for _, k := range []struct {
		name        string
		is, wanted  float64
		asked       float64
		count, node int
	}{
		{"writes", j.WriteRate, least(limits.LeastWrites), h.Writes, j.Writes, h.nodes(Write)},
		{"reads", j.ReadRate, least(limits.LeastReads), h.Reads, j.Reads, h.nodes(Read)},
	} {
		r, verb := Pass, ""
		if k.is < k.wanted {
			r, verb = Inconclusive, fmt.Sprintf("; the run does not count below %g a second", k.wanted)
		}
		j.add(k.name, r, "%d in %.1f s through %d servers, %.1f a second of %g%s", k.count, seconds, k.node, k.is, k.asked, verb)
	}
}

// least returns the least rate that a limit stands for.
func least(limit float64) float64 {
	if limit < 0 {
		return 0
	}
	return cmp.Or(limit, 1)
}

// nodes counts the servers through which calls of a kind succeeded.
func (h History) nodes(k Kind) int {
	all := map[string]bool{}
	for _, c := range h.Calls {
		if c.Kind == k && c.Acknowledged && len(c.Attempts) > 0 {
			all[c.Attempts[len(c.Attempts)-1].Node] = true
		}
	}
	return len(all)
}

func (j *Judgement) judgeValues(h History) {
	lost := "none"
	if len(j.Lost) > 0 {
		l := j.Lost[0]
		lost = fmt.Sprintf("%d, the first one %d of %s: %d was there later", len(j.Lost), l.Value, l.Variable, l.Found)
	}
	j.add("acknowledged writes lost", resultOf(len(j.Lost) > 0), "%s", lost)
	stale := "none"
	if len(j.Stale) > 0 {
		s := j.Stale[0]
		stale = fmt.Sprintf("%d, the first one through %s: %d of %s, and %d was acknowledged before", len(j.Stale), s.Node, s.Value, s.Variable, s.Least)
	}
	j.add("stale reads", resultOf(len(j.Stale) > 0), "%s", stale)
	r, text := h.linearizable()
	j.add("order of calls", r, "%s", text)
}

func (j *Judgement) judgeCalls(h History, limits Limits) {
	last, outcomes, why := "", map[Outcome]int{}, map[string]int{}
	for _, c := range h.Calls {
		if len(c.Attempts) > 0 && c.Attempts[0].Outcome != OK && !c.Abandoned {
			j.FailedWithout++
			outcomes[c.Attempts[0].Outcome]++
		}
		if c.Acknowledged || c.Abandoned {
			continue
		}
		if e, ok := excuse(c, limits.Excused); ok {
			j.Excused++
			why[e.Why]++
			continue
		}
		j.FailedAfter++
		if last == "" {
			last = fmt.Sprintf(", the first one a %s: %v", c.Kind, c.err())
		}
	}
	var kinds []string
	for _, o := range slices.Sorted(maps.Keys(outcomes)) {
		kinds = append(kinds, fmt.Sprintf("%d %s", outcomes[o], o))
	}
	text := "none"
	if len(kinds) > 0 {
		text = fmt.Sprintf("%d (%s)", j.FailedWithout, strings.Join(kinds, ", "))
	}
	j.add("calls failed without retry", Pass, "%s", text)
	if text = "none"; j.FailedAfter > 0 {
		text = fmt.Sprintf("%d of %d%s", j.FailedAfter, len(h.Calls), last)
	}
	j.add("calls failed after retry", resultOf(j.FailedAfter > limits.FailedCalls), "%s", text)
	for _, reason := range slices.Sorted(maps.Keys(why)) {
		j.add("calls failed, excused", Pass, "%d: %s", why[reason], reason)
	}
}

// excuse returns the excuse of a failed call, if it has one: its last attempt lies in it and ended as it says.
func excuse(c Call, all []Excuse) (Excuse, bool) {
	if len(c.Attempts) == 0 {
		return Excuse{}, false
	}
	last := c.Attempts[len(c.Attempts)-1]
	for _, e := range all {
		if !last.End.Before(e.From) && !last.Start.After(e.To) && (len(e.Outcomes) == 0 || slices.Contains(e.Outcomes, last.Outcome)) {
			return e, true
		}
	}
	return Excuse{}, false
}

func (j *Judgement) judgeGaps(h History, limits Limits) {
	for _, k := range []Kind{Write, Read} {
		g := h.longestGap(k)
		j.Gaps[k] = g
		bad := limits.Gap > 0 && g.Length() > limits.Gap
		more := ""
		if bad {
			more = fmt.Sprintf("; %s is allowed", limits.Gap)
		}
		j.add("longest gap of "+string(k)+"s", resultOf(bad), "%.2f s, from %s%s", g.Length().Seconds(), g.From.UTC().Format("15:04:05.00"), more)
	}
}

// longestGap returns the longest time between two successes of a kind, the beginning and the end of the load included.
func (h History) longestGap(k Kind) Gap {
	ends := []time.Time{h.Started}
	for _, c := range h.Calls {
		if c.Kind == k && c.Acknowledged && c.End.Before(h.Ended) {
			ends = append(ends, c.End)
		}
	}
	ends = append(ends, h.Ended)
	slices.SortFunc(ends, time.Time.Compare)
	var longest Gap
	for i := range ends[1:] {
		if g := (Gap{ends[i], ends[i+1]}); g.Length() > longest.Length() {
			longest = g
		}
	}
	return longest
}

func (j *Judgement) judgeAllocations(h History, limits Limits) {
	if h.Driver == "" {
		j.add("allocations", Pass, "none: the lab has no client")
		return
	}
	initial := 0
	for _, a := range h.Allocations {
		if a.Initial {
			initial++
		}
		if fate := a.fate(); fate != "" {
			j.Moved = append(j.Moved, a.name()+" "+fate)
		}
		if a.restarted() {
			j.Restarted = append(j.Restarted, a.name())
		}
	}
	if initial == 0 {
		j.add("allocations", Inconclusive, "none was seen")
	}
	text := fmt.Sprintf("none of %d", initial)
	if len(j.Moved) > 0 {
		text = strings.Join(j.Moved, ", ")
	}
	j.add("allocations moved or lost", resultOf(len(j.Moved) > limits.Moved), "%s", text)
	if text = fmt.Sprintf("none of %d", initial); len(j.Restarted) > 0 {
		text = strings.Join(j.Restarted, ", ")
	}
	j.add("allocations restarted", resultOf(len(j.Restarted) > limits.Restarted), "%s", text)
}

func (a Allocation) name() string {
	return fmt.Sprintf("%s of %s on %s", a.ID[:min(8, len(a.ID))], a.Job, a.Node)
}

// fate says what became of an allocation that was to stay; "" if it stayed, or has ended by itself as a batch job does. An
// allocation that came later is a replacement.
func (a Allocation) fate() string {
	if !a.Initial {
		return "is a replacement"
	}
	for _, s := range a.States {
		switch {
		case s.Client == "lost" || s.Client == "unknown":
			return "was " + s.Client
		case s.Desired != "run" && s.Desired != "":
			return "was to " + s.Desired
		case s.Client == "failed":
			return "failed"
		case s.Client == "complete" && !s.Ended:
			return "ended"
		}
	}
	n := len(a.States)
	if !a.Gone.IsZero() && (n == 0 || !a.States[n-1].Ended) {
		return "was gone"
	}
	if n > 0 && a.States[n-1].Client == "pending" {
		return "was pending at the end"
	}
	return ""
}

// restarted reports whether a task of an allocation was started again.
func (a Allocation) restarted() bool {
	var started time.Time // the last start that is known: a state may lack it
	for i, s := range a.States {
		if i > 0 && s.Restarts > a.States[i-1].Restarts || !started.IsZero() && s.Started.After(started) {
			return true
		}
		if !s.Started.IsZero() {
			started = s.Started
		}
	}
	return false
}

// judgeServers judges what each server had in the end.
func (j *Judgement) judgeServers(h History) {
	acknowledged := h.acknowledged()
	for _, f := range h.Final {
		switch {
		case f.Node == "" && f.Error != "":
			j.add("values at the end", Inconclusive, "%s is not known: %s", f.Variable, f.Error)
		case f.Node != "" && f.Error != "":
			j.add("values at the end", Pass, "those of %s are not known: %s", f.Node, f.Error)
		case f.Node != "" && f.Value < acknowledged[f.Variable]:
			j.add("values at the end", Cost, "%s has %d of %s, and %d was acknowledged", f.Node, f.Value, f.Variable, acknowledged[f.Variable])
		}
	}
	if len(h.Final) == 0 {
		j.add("values at the end", Inconclusive, "they were not read")
	}
}

// acknowledged returns the highest acknowledged number of each variable.
func (h History) acknowledged() map[string]int64 {
	out := map[string]int64{}
	for _, c := range h.Calls {
		if c.Kind == Write && c.Acknowledged {
			out[c.Variable] = max(out[c.Variable], c.Value)
		}
	}
	return out
}

// unhealthy says for how long each agent did not answer that it is healthy, as the polls saw it.
func (h History) unhealthy() string {
	var words []string
	since, total := map[string]time.Time{}, map[string]time.Duration{}
	for _, s := range h.Health {
		began, down := since[s.Node]
		switch {
		case s.Outcome == OK && down:
			total[s.Node] += s.From.Sub(began)
			delete(since, s.Node)
		case s.Outcome != OK && !down:
			since[s.Node] = s.From
		}
	}
	for node, began := range since {
		total[node] += h.Ended.Sub(began)
	}
	for _, node := range slices.Sorted(maps.Keys(total)) {
		words = append(words, fmt.Sprintf("%s for %.1f s", node, total[node].Seconds()))
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

func connectionsInWords(all, cut []Connection) string {
	if len(all) == 0 {
		return "none was open"
	}
	kinds := map[string]int{}
	for _, c := range cut {
		kinds[c.What+" to "+c.Node]++
	}
	if len(kinds) == 0 {
		return fmt.Sprintf("%d, none was cut", len(all))
	}
	var words []string
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		words = append(words, fmt.Sprintf("the %s %d×", k, kinds[k]))
	}
	return fmt.Sprintf("%d cut: %s", len(cut), strings.Join(words, ", "))
}
