package posture

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/probe"
)

// logPoll is how often the log is read.
const logPoll = 25 * time.Millisecond

// maxLines limits how many matching lines become evidence.
const maxLines = 5

// logWatch is a log from a mark on. The zero logWatch needs no text.
type logWatch struct {
	log  probe.Log
	mark int64
	text string
	// terse is true for an agent that does not log such lines.
	terse bool
	// caller is the address whose lines count; empty: all lines count.
	caller string
	err    error
}

// watch marks the end of the target's log, if the check needs it.
func (c Check) watch(t probe.Target) logWatch {
	w := logWatch{log: t.Log, text: c.spec.LogText, caller: t.CallerAt(c.spec.Probe.Plane), terse: leavesOut(t.LogLevel, c.spec.LogLevel)}
	if w.text == "" || w.log == nil || w.terse {
		return w
	}
	mark, err := w.log.Mark()
	if err != nil {
		w.err = fmt.Errorf("mark the log of %s: %w", t.Name, err)
	}
	w.mark = mark
	return w
}

// leavesOut reports whether an agent at that level leaves out lines of the other level. An unknown level, as in a lab
// of Compose, counts as Nomad's default, INFO.
func leavesOut(agent, line string) bool {
	levels := []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "OFF"}
	at := slices.Index(levels, cmp.Or(agent, "INFO"))
	return at >= 0 && at > slices.Index(levels, cmp.Or(line, "WARN"))
}

// awaitReason waits until the log shows the text after the mark, and keeps the lines as evidence. It returns the result of a
// wanted outcome, and the end of the sentence that begins with the outcome.
func (r *run) awaitReason(ctx context.Context, w logWatch, s Spec) (finding.Result, string) {
	switch {
	case w.text == "":
		return finding.Pass, ", as wanted"
	case w.terse:
		return finding.Pass, fmt.Sprintf(", as wanted; why is not asserted, as the agent logs that at %s alone", s.LogLevel)
	case w.log == nil:
		return finding.Pass, ", as wanted; why is not asserted, as the agent's log cannot be read"
	}
	start := time.Now()
	ctx, cancel := deadline.Fair(ctx, s.LogWithin)
	defer cancel()
	lines, err := []string(nil), w.err
	if err == nil {
		lines, err = w.await(ctx)
		r.evidence = append(r.evidence, finding.Evidence{Part: finding.Log, Did: w.sentence(), Lines: lines, Took: time.Since(start)})
	}
	switch {
	case err != nil:
		return finding.Inconclusive, fmt.Sprintf(", but whether for the right reason is unknown: %v", err)
	case len(lines) == 0:
		return finding.Inconclusive, fmt.Sprintf(", but perhaps for another reason: the agent's log did not show %q within %s", w.text, s.LogWithin)
	case w.caller == "":
		return finding.Pass, fmt.Sprintf(", as wanted, and the agent's log says why: %q; the line is not attributed, as it is not known how the prober looks to the agent", w.text)
	default:
		return finding.Pass, fmt.Sprintf(", as wanted, and the agent's log says why: %q", w.text)
	}
}

// await polls until there are lines with the text. It returns none if ctx is done first.
func (w logWatch) await(ctx context.Context) (lines []string, err error) {
	_ = poll.Every(ctx, logPoll, func() bool {
		lines, err = w.matching()
		return err != nil || len(lines) > 0
	})
	return lines, err
}

func (w logWatch) sentence() string {
	if w.caller == "" {
		return fmt.Sprintf("look for %q in the agent's log", w.text)
	}
	return fmt.Sprintf("look for %q about %s in the agent's log", w.text, w.caller)
}

// matching returns the lines after the mark that contain the text, in whatever case, and are about the caller. Nomad 1.10.5 begins
// with a capital what 1.11.3 does not (memberlist v0.5.3 and v0.5.4, net.go and security.go).
func (w logWatch) matching() ([]string, error) {
	all, err := w.log.Since(w.mark)
	if err != nil {
		return nil, fmt.Errorf("read the agent's log: %w", err)
	}
	var lines []string
	for _, line := range all {
		if strings.Contains(strings.ToLower(line), strings.ToLower(w.text)) && isAbout(line, w.caller) && len(lines) < maxLines {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines, nil
}

// isAbout reports whether the line names the address with some port: another caller may be refused for the same
// reason at the same moment. Every line is about the empty address.
func isAbout(line, address string) bool {
	if address == "" {
		return true
	}
	named := net.JoinHostPort(address, "")
	for from := 0; ; {
		at := strings.Index(line[from:], named)
		if at < 0 {
			return false
		}
		at += from
		// 10.0.0.1 is not named by 110.0.0.1, nor by 5.10.0.0.1.
		if at == 0 || !strings.ContainsRune("0123456789.", rune(line[at-1])) {
			return true
		}
		from = at + 1
	}
}
