package rehearsal

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/load"
	"nomadlab.internal/lab/pki"
)

// width is where lines of the text break: a page that is printed or pasted into a ticket.
const width = 110

// Write writes the rehearsal as text: the result first, then each order that was tried with its steps, its cost and its postures,
// and last what changes, line by line.
func (r Rehearsal) Write(w io.Writer) error {
	t := &text{}
	t.line("rehearsal of %s → %s: %s", r.Change.From, r.Change.To, r.headline())
	t.facts(r)
	for i := range r.Attempts {
		t.attempt(i+1, &r.Attempts[i])
	}
	t.change(r.Change)
	_, err := io.WriteString(w, t.String())
	return err
}

// headline returns the result in a few words.
func (r Rehearsal) headline() string {
	if len(r.Attempts) == 0 {
		return "nothing differs, and there is nothing to roll out"
	}
	first := r.Attempts[0]
	head := fmt.Sprintf("%s (%s)", strings.ToUpper(string(first.Result)), first.Order)
	if better := r.Better(); better != nil {
		return fmt.Sprintf("%s; in another order, %s, it %s", head, better.Order, holds(better.Result))
	}
	if first.Result == Breaks && len(r.Attempts) > 1 {
		return head + ", and so do all other orders that were tried"
	}
	return head
}

func holds(r Result) string {
	if r == LostNothing {
		return "loses nothing"
	}
	return "goes through, at a cost"
}

// text is a page that is written line by line.
type text struct{ strings.Builder }

func (t *text) line(format string, args ...any) {
	t.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// wrapped writes a paragraph whose first line begins with head, and the others with as many spaces.
func (t *text) wrapped(head, body string) {
	margin := strings.Repeat(" ", len([]rune(head)))
	line := head
	for word := range strings.FieldsSeq(body) {
		if len([]rune(line))+len([]rune(word)) >= width && strings.TrimSpace(line) != strings.TrimSpace(head) {
			t.line("%s", line)
			line = margin
		}
		if line != head && line != margin {
			line += " "
		}
		line += word
	}
	t.line("%s", line)
}

func (t *text) title(format string, args ...any) {
	t.line("")
	t.line(format, args...)
}

func (t *text) facts(r Rehearsal) {
	if len(r.Attempts) > 0 {
		t.line("Nomad %s, engine %s, %s UTC, %s", r.versions(), r.Engine, r.Began.UTC().Format("2006-01-02 15:04:05"), brief(r.Took))
		t.wrapped("  ", r.Attempts[0].Why+".")
	}
	for _, note := range r.Notes {
		t.wrapped("  note: ", note)
	}
}

func (r Rehearsal) versions() string {
	if r.Change.FromVersion != r.Change.ToVersion {
		return r.Change.FromVersion + " → " + r.Change.ToVersion
	}
	return r.Nomad
}

// change writes what differs, line by line.
func (t *text) change(c Change) {
	if c.Empty() {
		return
	}
	t.title("WHAT CHANGES, AND HOW EACH LINE TAKES EFFECT")
	if c.FromVersion != c.ToVersion {
		t.line("  all     Nomad %s → %s: restart", c.FromVersion, c.ToVersion)
	}
	if len(c.Lines) == 0 {
		t.line("  no line of the configuration")
	}
	for _, g := range c.groups() {
		t.wrapped("  ", string(g.effect)+": "+g.why)
		for _, l := range g.lines {
			t.wrapped(fmt.Sprintf("      %-6s  ", l.who), l.text)
		}
	}
}

// group is all lines that take effect in the same way for the same reason.
type group struct {
	effect Effect
	why    string
	lines  []shownLine
}

// shownLine is a line of one role, or the same line of both.
type shownLine struct{ who, text string }

// effects returns the effects in the order in which they are shown: what costs most comes first.
func effects() []Effect { return []Effect{Replacement, Restart, Reload, Call, Nothing, NotRehearsed} }

// groups returns the lines by how they take effect, and why.
func (c Change) groups() []group {
	var out []group
	for _, l := range c.Lines {
		at := slices.IndexFunc(out, func(g group) bool { return g.effect == l.Effect && g.why == l.Why })
		if at < 0 {
			at, out = len(out), append(out, group{effect: l.Effect, why: l.Why})
		}
		text := fmt.Sprintf("%s: %s → %s", l.Setting, cmp.Or(l.Was, noValue), cmp.Or(l.Becomes, noValue))
		if l.File != "" {
			text += fmt.Sprintf("  (%s:%d)", path.Base(l.File), l.Number)
		}
		if same := slices.IndexFunc(out[at].lines, func(o shownLine) bool { return o.text == text }); same >= 0 {
			out[at].lines[same].who = "both"
			continue
		}
		out[at].lines = append(out[at].lines, shownLine{string(l.Role), text})
	}
	slices.SortStableFunc(out, func(a, b group) int {
		return cmp.Compare(slices.Index(effects(), a.effect), slices.Index(effects(), b.effect))
	})
	return out
}

func (t *text) attempt(number int, a *Attempt) {
	t.title("ORDER %d  %s: %s", number, a.Order, a.Result)
	t.wrapped("  ", a.Words+".")
	if number > 1 {
		t.wrapped("  ", a.Why+".")
	}
	if a.Kept != "" {
		t.line("  lab %s was left running: `nomadlab down %s` removes it", a.Kept, a.Kept)
	}
	t.steps(a)
	t.cost(a)
	t.stages(a)
}

func (t *text) steps(a *Attempt) {
	if len(a.Steps) == 0 {
		return
	}
	t.title("  STEPS")
	round := ""
	for i, s := range a.Steps {
		if s.Round != round && len(a.Rounds) > 1 {
			t.line("    round: %s", s.Round)
		}
		round = s.Round
		subject := s.subject()
		if s.Node != "" {
			subject = s.Node
		}
		how := ""
		if s.Effect != "nothing" {
			how = "  " + string(s.Effect)
		}
		mark := "ok  "
		if s.Error != "" {
			mark = "FAIL"
		}
		t.line("   %3d  %s  %6s  %s%s", i+1, mark, brief(s.Took), subject, how)
		if s.Why != "" {
			t.wrapped("                       because  ", s.Why)
		}
		if s.Error != "" {
			t.wrapped("                       failed   ", s.Error)
		}
	}
}

func (t *text) cost(a *Attempt) {
	if a.Load == nil {
		return
	}
	t.title("  WHAT IT COST")
	for _, l := range a.Load.Lines {
		mark := map[load.Result]string{load.Pass: "ok", load.Cost: "COST", load.Inconclusive: "?"}[l.Result]
		t.wrapped(fmt.Sprintf("        %-4s  %s: ", mark, l.Name), l.Text)
	}
}

// stages writes the postures, and what the change made weaker and stronger.
func (t *text) stages(a *Attempt) {
	if len(a.Stages) == 0 {
		return
	}
	t.title("  POSTURE")
	for _, s := range a.Stages {
		t.line("    %-16s  %3d pass  %3d fail  %3d inconclusive", s.When, s.Checks.Pass, s.Checks.Fail, s.Checks.Inconclusive)
		if open := a.openedAt(s); s.When != after && len(open) > 0 {
			t.wrapped("                      opened by then: ", strings.Join(open, ", "))
		}
	}
	if c := a.After.Comparison; c != nil {
		t.compared(*c)
	}
}

// shown is how many changed checks of each direction are named. The report has all.
const shown = 8

func (t *text) compared(c finding.Comparison) {
	for _, d := range []finding.Direction{finding.Weaker, finding.Unclear, finding.Stronger} {
		var all []finding.Change
		for _, change := range c.Changes {
			if change.Direction == d {
				all = append(all, change)
			}
		}
		if len(all) == 0 {
			continue
		}
		if d == finding.Unclear {
			t.line("    cannot be compared: %d, such as checks of what only one side has", len(all))
			continue
		}
		t.line("    %s: %d", d, len(all))
		for i, change := range all {
			if i == shown {
				t.line("      and %d more", len(all)-shown)
				break
			}
			by := ""
			if change.Setting != "" {
				by = ", by " + change.Setting
			}
			t.wrapped("      ", change.ID+": "+change.Text+by)
		}
	}
	if len(c.Changes) == 0 {
		t.line("    no check has another result after the change")
	}
}

// openedAt returns the checks that fail at a stage and did not before the change.
func (a *Attempt) openedAt(s Stage) []string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(s.Fails)) {
		if _, failed := a.Stages[0].Fails[id]; !failed {
			out = append(out, id)
		}
	}
	return out
}

// brief returns a duration to a tenth of a second.
func brief(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// WriteDry writes what would be rehearsed.
func WriteDry(w io.Writer, c Change, all []Strategy) error {
	t := &text{}
	t.line("rehearsal of %s → %s: nothing is brought up", c.From, c.To)
	for _, note := range c.Notes() {
		t.wrapped("  note: ", note)
	}
	t.change(c)
	if c.Empty() {
		t.line("nothing differs, and there is nothing to roll out")
	} else {
		t.title("ORDERS, OF WHICH THE NEXT IS TRIED IF ONE BREAKS")
		for i, s := range all {
			t.wrapped(fmt.Sprintf("  %d  %s: ", i+1, s.Order), s.Words)
			for _, role := range []pki.Role{pki.Server, pki.Client} {
				if effect, why := c.effectOn(role); effect != Nothing && len(s.Rounds) == 1 {
					t.wrapped(fmt.Sprintf("       each %s: ", role), fmt.Sprintf("%s, because %s", effect, why))
				}
			}
			if len(s.Rounds) > 1 {
				for j, round := range s.Rounds {
					t.line("       round %d: %s", j+1, round.Title)
				}
			}
		}
	}
	_, err := io.WriteString(w, t.String())
	return err
}

// effectOn returns the effect that all lines of a role together need, and the line that needs it.
func (c Change) effectOn(role pki.Role) (Effect, string) {
	if c.FromVersion != c.ToVersion {
		return Restart, "of the new version"
	}
	out, why := Nothing, ""
	rank := []Effect{Nothing, Reload, Restart, Replacement}
	for _, l := range c.Lines {
		if l.Role == role && slices.Index(rank, l.Effect) > slices.Index(rank, out) {
			out, why = l.Effect, l.Setting+": "+l.Why
		}
	}
	return out, why
}
