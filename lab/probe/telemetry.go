package probe

import (
	"strings"
	"time"
)

// Telemetry is how an agent measures itself and what it tells of that, as it says. Its zero value is not known, and taken for Nomad's
// defaults.
type Telemetry struct {
	// Every is how often it measures itself, and Interval how long one interval of its metrics is. Zero: 1 s, and 10 s.
	Every, Interval time.Duration
	// PrefixFilter are rules such as "-nomad.client": a metric is kept or not by the longest that fits its name.
	PrefixFilter []string
	// Drops is true where what no rule fits is not kept.
	Drops bool
}

// Keeps reports whether the agent's filter keeps the metrics whose names begin so (go-metrics, allowMetric).
func (t Telemetry) Keeps(prefix string) bool {
	keeps, longest := !t.Drops, -1
	for _, rule := range t.PrefixFilter {
		if rule == "" || !strings.HasPrefix(prefix, rule[1:]) || len(rule) < longest {
			continue
		}
		if of := len(rule); of > longest || rule[0] == '-' { // of two with one prefix, what is blocked comes last
			keeps, longest = rule[0] == '+', of
		}
	}
	return keeps
}

// Whole is how long it may take until the agent's metrics tell of an interval in which it has measured itself. They are those of the
// last whole interval, and the first may have ended before the agent had measured anything (command/agent/command.go:1265; go-metrics,
// InmemSink.DisplayMetrics; verified against Nomad 1.11.3).
func (t Telemetry) Whole() time.Duration {
	every, interval := t.Every, t.Interval
	if every <= 0 {
		every = time.Second
	}
	if interval <= 0 {
		interval = 10 * time.Second
	}
	return every + 2*interval
}
