package timeline

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Text writes the timeline in words: a line of what was done and how long it took, then a line for each event, with the time
// since Started, and at last the lines of the load. A bad event has the word BAD. Nothing in a text acts on a terminal. Text
// returns the writer's error.
func (t Timeline) Text(w io.Writer) error {
	out := bufio.NewWriter(w)
	_, _ = fmt.Fprintf(out, "%s: %s\n", plain(t.Title), t.Summary())
	times, nodes := 0, 0
	for _, e := range t.Events {
		times, nodes = max(times, len(t.When(e))), max(nodes, utf8.RuneCountInString(plain(e.Node)))
	}
	for _, e := range t.Events {
		line := fmt.Sprintf("  %*s  %-3s  %s%s  %s", times, t.When(e), word(e.Bad), plain(e.Node), pad(e.Node, nodes), plain(e.Words()))
		_, _ = fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
	for _, l := range t.Load {
		line := fmt.Sprintf("  %*s  %-3s  %s: %s", times, "", word(l.Bad), plain(l.Name), plain(l.Text))
		_, _ = fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the timeline: %w", err)
	}
	return nil
}

// Summary returns how long it took, and how many events there were and how many of them were bad.
func (t Timeline) Summary() string {
	bad := "none of them bad"
	switch n := len(t.Bad()); {
	case len(t.Events) == 0:
		return "nothing was recorded"
	case n > 0:
		bad = fmt.Sprintf("%d of them bad", n)
	}
	events := "events"
	if len(t.Events) == 1 {
		events = "event"
	}
	return fmt.Sprintf("%s, %d %s, %s", Seconds(t.Ended.Sub(t.Started)), len(t.Events), events, bad)
}

// When returns when the event began, since Started: "+3.2 s".
func (t Timeline) When(e Event) string { return fmt.Sprintf("%+.1f s", e.At.Sub(t.Started).Seconds()) }

// Words returns what happened with how often and how long: "a read failed (40 times, 0.9 s)".
func (e Event) Words() string {
	var more []string
	if e.Count > 1 {
		more = append(more, fmt.Sprintf("%d times", e.Count))
	}
	if d := e.until().Sub(e.At); d > 0 {
		more = append(more, Seconds(d))
	}
	if len(more) == 0 {
		return e.Text
	}
	return e.Text + " (" + strings.Join(more, ", ") + ")"
}

// Seconds formats a duration: "0.04 s", "3.2 s".
func Seconds(d time.Duration) string {
	if d < time.Second/10 {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func word(bad bool) string {
	if bad {
		return "BAD"
	}
	return ""
}

// pad returns the blanks that make a text n letters wide.
func pad(text string, n int) string {
	return strings.Repeat(" ", max(0, n-utf8.RuneCountInString(plain(text))))
}

// plain returns a text as one line without anything that a terminal acts on.
func plain(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsGraphic(r):
			return r
		default:
			return unicode.ReplacementChar
		}
	}, text))
}
