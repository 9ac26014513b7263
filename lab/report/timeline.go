package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/finding"
)

// timeline shows how long certificates are valid, beside the moment at which the cluster was checked.
type timeline struct {
	Now  string
	Tick []mark
	Rows []certificatePage
}

// mark is a place on the axis, in percent of its width.
type mark struct{ At, Label string }

type certificatePage struct {
	Holder, Subject, Issuer, Names, Key, From, To string
	// Class is the colour; State says the same in words.
	Class, Symbol, State string
	// Left and Width are the bar's, in percent; Before and After say that it goes on beyond the axis.
	Left, Width   string
	Before, After bool
}

// soon is when a certificate needs somebody: in the last tenth of its life.
const soon = 10

// timeline is nil where no certificate is known.
func (v view) timeline() *timeline {
	all := v.report.Cluster.Certificates
	if len(all) == 0 {
		return nil
	}
	now := v.report.Started
	a := newAxis(now, all)
	t := &timeline{Now: a.place(now)}
	for i := -4; i <= 8; i++ {
		at := now.Add(a.step * time.Duration(i))
		if i != 0 && !at.Before(a.from) && !at.After(a.to) {
			t.Tick = append(t.Tick, mark{a.place(at), a.label(i * a.units)})
		}
	}
	for _, c := range all {
		t.Rows = append(t.Rows, a.row(now, c))
	}
	return t
}

// axis is the time that is shown: until the last certificate that an agent or a user holds expires. Authorities run off
// its end, as do those that are more than ten times further away than the next one: a certificate of ten years would hide
// another's last week.
type axis struct {
	from, to time.Time
	step     time.Duration
	units    int
	unit     string
}

func newAxis(now time.Time, all []finding.Certificate) axis {
	const day = 24 * time.Hour
	var left []time.Duration
	for _, authorities := range []bool{false, true} {
		for _, c := range all {
			if d := c.NotAfter.Sub(now); d > 0 && (c.Subject == c.Issuer) == authorities {
				left = append(left, max(d, day))
			}
		}
		if len(left) > 0 {
			break
		}
	}
	slices.Sort(left)
	longest := day
	for _, d := range left {
		if d <= 10*left[0] {
			longest = d
		}
	}
	a := axis{to: now.Add(longest + longest/10), unit: "days"}
	a.from = now.Add(-longest / 3)
	a.units = int((longest + 3*day - 1) / (3 * day)) // so few that their labels have room on a phone
	a.step = time.Duration(a.units) * day
	if longest <= day {
		a.units, a.unit, a.step = 8, "h", 8*time.Hour
	}
	return a
}

// label says how far from now a mark is.
func (a axis) label(units int) string {
	if a.unit == "days" && (units == 1 || units == -1) {
		return fmt.Sprintf("%+d day", units)
	}
	return fmt.Sprintf("%+d %s", units, a.unit)
}

// place is where a moment is on the axis, in percent.
func (a axis) place(t time.Time) string { return fmt.Sprintf("%.2f%%", a.percent(t)) }

func (a axis) percent(t time.Time) float64 {
	return min(100, max(0, 100*float64(t.Sub(a.from))/float64(a.to.Sub(a.from))))
}

func (a axis) row(now time.Time, c finding.Certificate) certificatePage {
	from, to := a.percent(c.NotBefore), a.percent(c.NotAfter)
	out := certificatePage{
		Holder: c.Holder, Subject: c.Subject, Issuer: c.Issuer, Names: strings.Join(c.Names, ", "), Key: c.Key,
		From: stamp(c.NotBefore), To: stamp(c.NotAfter),
		Left: fmt.Sprintf("%.2f%%", from), Width: fmt.Sprintf("%.2f%%", max(to-from, 0.6)),
		Before: c.NotBefore.Before(a.from), After: c.NotAfter.After(a.to),
	}
	remaining, life := c.NotAfter.Sub(now), c.NotAfter.Sub(c.NotBefore)
	switch {
	case remaining <= 0:
		out.Class, out.Symbol, out.State = "broken", "✕", "expired "+span(-remaining)+" before the check"
	case c.NotBefore.After(now):
		out.Class, out.Symbol, out.State = "untried", "?", "not valid for another "+span(c.NotBefore.Sub(now))
	case remaining < life/soon:
		out.Class, out.Symbol, out.State = "untried", "!", "expires soon: "+span(remaining)+" left"
	default:
		out.Class, out.Symbol, out.State = "held", "✓", span(remaining)+" left"
	}
	return out
}

// span is a length of time in its two largest units: "6 d 23 h".
func span(d time.Duration) string {
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	switch {
	case d >= 2*year:
		return fmt.Sprintf("%d y %d d", d/year, d%year/day)
	case d >= day:
		return fmt.Sprintf("%d d %d h", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
}
