package report

import (
	"errors"
	"fmt"
	"strings"
)

// The generated part of a page is between these two lines.
const (
	Begin = "<!-- bench:begin: what is between these two lines is written by `make bench DOCS=1` -->"
	End   = "<!-- bench:end -->"
)

// ErrMarkers is returned when a page has lost the lines that say where its generated part is.
var ErrMarkers = errors.New("the page has not both marker lines once, and in their order")

// Rewrite returns the page with what is between the two markers replaced. The error is ErrMarkers.
func Rewrite(page, generated string) (string, error) {
	before, rest, begins := strings.Cut(page, Begin+"\n")
	_, after, ends := strings.Cut(rest, End+"\n")
	if !begins || !ends || strings.Count(page, Begin) != 1 || strings.Count(page, End) != 1 {
		return "", fmt.Errorf("%w: put these lines where the numbers are to be:\n%s\n%s", ErrMarkers, Begin, End)
	}
	return before + Begin + "\n\n" + strings.TrimSpace(generated) + "\n\n" + End + "\n" + after, nil
}
