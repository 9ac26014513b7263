package report

import (
	"fmt"
	"slices"
	"time"

	"nomadlab.internal/lab/finding"
)

// certificateLives shows how long certificates are valid. Now is when the cluster was checked.
type certificateLives struct {
	Now   string
	Ticks []tick
	Rows  []certificateBar
}

// tick is a label on the axis. At is in percent of the width.
type tick struct{ At, Label string }

// certificateBar is a certificate with its bar on the axis.
type certificateBar struct {
	finding.Certificate
	From, To string
	// Class is the colour of a result, Symbol and State say the same without a colour.
	Class, Symbol, State string
	// Left and Width are in percent. Before and After say whether the bar goes on beyond the axis.
	Left, Width   string
	Before, After bool
}

// soon is the fraction of its life from which on a certificate is said to expire soon: the last tenth.
const soon = 10

// lives returns nil if no certificate is known.
func (v view) lives() *certificateLives {
	all := v.Cluster.Certificates
	if len(all) == 0 {
		return nil
	}
	now := v.Started
	a := newAxis(now, all)
	t := &certificateLives{Now: a.position(now)}
	for i := -4; i <= 8; i++ {
		at := now.Add(a.step * time.Duration(i))
		if i != 0 && !at.Before(a.from) && !at.After(a.to) {
			t.Ticks = append(t.Ticks, tick{a.position(at), a.label(i * a.units)})
		}
	}
	for _, c := range all {
		t.Rows = append(t.Rows, a.bar(now, c))
	}
	return t
}

// axis is the time that is shown. It ends when the last certificate of an agent or a user expires. Authorities run off its
// end. So do certificates that last ten times longer than the next one to expire: one of ten years would hide the last
// week of another.
type axis struct {
	from, to time.Time
	// step is the time between two ticks, which is so many units.
	step  time.Duration
	units int
	unit  string
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

// label returns how far from now a tick is.
func (a axis) label(units int) string {
	if a.unit == "days" && (units == 1 || units == -1) {
		return fmt.Sprintf("%+d day", units)
	}
	return fmt.Sprintf("%+d %s", units, a.unit)
}

// position returns where a moment is on the axis, in percent.
func (a axis) position(t time.Time) string { return fmt.Sprintf("%.2f%%", a.percent(t)) }

func (a axis) percent(t time.Time) float64 {
	return min(100, max(0, 100*float64(t.Sub(a.from))/float64(a.to.Sub(a.from))))
}

func (a axis) bar(now time.Time, c finding.Certificate) certificateBar {
	from, to := a.percent(c.NotBefore), a.percent(c.NotAfter)
	out := certificateBar{
		Certificate: c, From: stamp(c.NotBefore), To: stamp(c.NotAfter),
		Left: fmt.Sprintf("%.2f%%", from), Width: fmt.Sprintf("%.2f%%", max(to-from, 0.6)),
		Before: c.NotBefore.Before(a.from), After: c.NotAfter.After(a.to),
	}
	remaining, life := c.NotAfter.Sub(now), c.NotAfter.Sub(c.NotBefore)
	switch {
	case remaining <= 0:
		out.Class, out.Symbol, out.State = "fail", "✕", "expired "+span(-remaining)+" before the check"
	case c.NotBefore.After(now):
		out.Class, out.Symbol, out.State = "inconclusive", "?", "not valid for another "+span(c.NotBefore.Sub(now))
	case remaining < life/soon:
		out.Class, out.Symbol, out.State = "inconclusive", "!", "expires soon: "+span(remaining)+" left"
	default:
		out.Class, out.Symbol, out.State = "pass", "✓", span(remaining)+" left"
	}
	return out
}

// span formats a duration in its two largest units: "6 d 23 h".
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
