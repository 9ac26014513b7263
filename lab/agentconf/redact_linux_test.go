package agentconf_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nomadlab.internal/lab/agentconf"
)

// TestRedactTakesNoLongerThanTheTextIs: values without an end in one another are measured once, and what is left goes as a
// whole. A text of eight times the length takes about eight times as long, where it would take sixty-four times as long if each
// value was measured to its end. It is the thread's own time that counts, so that other work changes nothing; the least of three,
// as the collection of garbage is in it.
func TestRedactTakesNoLongerThanTheTextIs(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const n = 1_000
	redacting(t, strings.Repeat("token = t ", n)) // what is made once, such as the automata of patterns
	for name, text := range map[string]func(n int) string{
		"lists":        func(n int) string { return strings.Repeat("key = [ ", n) },
		"strings":      func(n int) string { return strings.Repeat(`token = "${ `, n) },
		"comments":     func(n int) string { return strings.Repeat("token /* ", n) },
		"escaped":      func(n int) string { return strings.Repeat(`token = \" `, n) },
		"white space":  func(n int) string { return strings.Repeat("token ", n) + strings.Repeat(" ", n) },
		"heredocs":     func(n int) string { return strings.Repeat("token = <<E\n", n) },
		"names":        func(n int) string { return strings.Repeat("token=", n) },
		"a sound text": func(n int) string { return strings.Repeat("name = \"n\" # token\n", n) },
	} {
		least := func(text string) time.Duration {
			return min(redacting(t, text), redacting(t, text), redacting(t, text))
		}
		if short, long := least(text(n)), least(text(8*n)); long > 24*short {
			t.Errorf("%s: a text takes %v of processor time, one of eight times its length %v", name, short, long)
		}
	}
}

// redacting is how much processor time it takes to redact the text and a secret behind it.
func redacting(t *testing.T, text string) time.Duration {
	t.Helper()
	begun := threadTime(t)
	got := string(agentconf.Redact([]byte(text + "\nencrypt = \"S3CR3T\"\n")))
	took := threadTime(t) - begun
	if strings.Contains(got, "S3CR3T") {
		t.Errorf("%.20q…: the secret behind it stays", text)
	}
	return took
}

// threadTime is the processor time that this thread has used.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Nano())
}
