package image

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

// tailLines is how much of a failed command's output goes into the error.
const tailLines = 20

// transcript is a command's standard error. It counts what `go build -v` reports and keeps the last lines of the rest. The
// zero transcript is ready to use.
type transcript struct {
	mutex     sync.Mutex
	partial   []byte
	packages  int
	downloads int
	tail      []string
}

// Write adds output. It never fails.
func (t *transcript) Write(p []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.partial = append(t.partial, p...)
	for {
		line, rest, complete := bytes.Cut(t.partial, []byte("\n"))
		if !complete {
			return len(p), nil
		}
		t.add(string(line))
		t.partial = rest
	}
}

func (t *transcript) add(line string) {
	switch {
	case strings.TrimSpace(line) == "":
	case strings.HasPrefix(line, "go: downloading "):
		t.downloads++
	case !strings.ContainsAny(line, " \t"): // -v prints an import path and nothing else
		t.packages++
	default:
		t.tail = append(t.tail, line)
		t.tail = t.tail[max(0, len(t.tail)-tailLines):]
	}
}

// counts returns how many packages were compiled and modules downloaded so far.
func (t *transcript) counts() (packages, downloads int) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.packages, t.downloads
}

// quote returns the last lines for the end of an error's text, each on a line of its own, or "".
func (t *transcript) quote() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	lines := t.tail
	if rest := strings.TrimSpace(string(t.partial)); rest != "" {
		lines = append(slices.Clip(lines), rest)
	}
	if len(lines) == 0 {
		return ""
	}
	return "\n  " + strings.Join(lines, "\n  ")
}
