package posture

import (
	"context"
	"fmt"
	"strings"
	"time"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/probe"
)

// logPoll is how often the log is read while its text is awaited.
const logPoll = 25 * time.Millisecond

// maxLines bounds how many matching lines become evidence.
const maxLines = 5

// logState is what came of looking for the reason in the agent's log.
type logState int

const (
	logNotNeeded logState = iota
	logUnavailable
	logShows
	logSilent
	logFailed
)

// logWatch is a log from a mark on. The zero logWatch needs no text.
type logWatch struct {
	log  probe.Log
	mark int64
	text string
	err  error
}

// watch marks the end of the target's log, if the check needs it.
func (c Check) watch(t probe.Target) logWatch {
	w := logWatch{log: t.Log, text: c.spec.LogText}
	if w.text == "" || w.log == nil {
		return w
	}
	mark, err := w.log.Mark()
	if err != nil {
		w.err = fmt.Errorf("mark the log of %s: %w", t.Name, err)
	}
	w.mark = mark
	return w
}

// awaitReason waits until the log shows the text after the mark, and keeps the
// lines as evidence.
func (r *run) awaitReason(ctx context.Context, w logWatch, within time.Duration) {
	switch {
	case w.text == "":
		r.log = logNotNeeded
		return
	case w.log == nil:
		r.log = logUnavailable
		return
	case w.err != nil:
		r.log, r.logErr = logFailed, w.err
		return
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	lines, err := w.await(ctx)
	switch {
	case err != nil:
		r.log, r.logErr = logFailed, err
	case len(lines) == 0:
		r.log = logSilent
	default:
		r.log = logShows
	}
	r.evidence = append(r.evidence, finding.Evidence{
		Part: finding.Log, Did: fmt.Sprintf("look for %q in the agent's log", w.text),
		Lines: lines, Took: time.Since(start),
	})
}

// await polls until lines with the text are there; none when ctx is done first.
func (w logWatch) await(ctx context.Context) ([]string, error) {
	tick := time.NewTicker(logPoll)
	defer tick.Stop()
	for {
		lines, err := w.matching()
		if err != nil || len(lines) > 0 {
			return lines, err
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-tick.C:
		}
	}
}

// matching are the lines after the mark that contain the text.
func (w logWatch) matching() ([]string, error) {
	all, err := w.log.Since(w.mark)
	if err != nil {
		return nil, fmt.Errorf("read the agent's log: %w", err)
	}
	var lines []string
	for _, line := range all {
		if strings.Contains(line, w.text) && len(lines) < maxLines {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines, nil
}
