package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/spec"
)

// console is where a subcommand writes: results to out, progress and notes to errs.
type console struct {
	out, errs stream
	in        io.Reader
}

func (a *app) console(cmd *cobra.Command) console {
	return console{out: a.stream(cmd.OutOrStdout()), errs: a.stream(cmd.ErrOrStderr()), in: cmd.InOrStdin()}
}

// stream is a writer that knows whether it is a terminal, and whether it shows colours.
type stream struct {
	io.Writer
	terminal bool
	colour   bool
}

func (a *app) stream(w io.Writer) stream {
	_, terminal := terminalOf(w)
	return stream{Writer: w, terminal: terminal, colour: terminal && !a.noColor && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// terminalOf returns the file descriptor of v, and whether it is a terminal.
func terminalOf(v any) (int, bool) {
	f, ok := v.(interface{ Fd() uintptr })
	if !ok {
		return 0, false
	}
	fd := int(f.Fd())
	return fd, term.IsTerminal(fd)
}

// width returns the terminal's width, or 0 if the stream is no terminal.
func (s stream) width() int {
	if fd, ok := terminalOf(s.Writer); ok {
		if w, _, err := term.GetSize(fd); err == nil {
			return w
		}
	}
	return 0
}

// printf writes a line. It ignores write errors: a reader that is gone does not stop the work.
func (s stream) printf(format string, args ...any) { _, _ = fmt.Fprintf(s, format+"\n", args...) }

// note prints a note, unless it is empty.
func (c console) note(text string) {
	if text != "" {
		c.errs.printf("%s %s", c.errs.uneasy("note:"), text)
	}
}

// warn prints the warnings about a lab of the Spec.
func (c console) warn(s spec.Spec, e engine.Engine) {
	for _, w := range warnings(s, e) {
		c.errs.printf("%s %s", c.errs.uneasy("warning:"), w)
	}
}

func (s stream) paint(t string, colours ...text.Color) string {
	if !s.colour || t == "" {
		return t
	}
	return text.Colors(colours).Sprint(t)
}

func (s stream) faint(t string) string  { return s.paint(t, text.Faint) }
func (s stream) bold(t string) string   { return s.paint(t, text.Bold) }
func (s stream) good(t string) string   { return s.paint(t, text.FgGreen) }
func (s stream) bad(t string) string    { return s.paint(t, text.FgRed) }
func (s stream) uneasy(t string) string { return s.paint(t, text.FgYellow) }

// mark marks success or failure. Beside terminals it is a word, which is easier to search for.
func (s stream) mark(ok bool) string {
	switch {
	case s.terminal && ok:
		return s.good("✓")
	case s.terminal:
		return s.bad("✗")
	case ok:
		return "ok"
	default:
		return "FAILED"
	}
}

// wrapped indents, and on a terminal also breaks long lines.
func (s stream) wrapped(t, margin string) string {
	if width := s.width() - len(margin); width > 40 {
		t = text.WrapText(t, width)
	}
	return indent(t, margin)
}

// indent puts the margin before each line except the first.
func indent(t, margin string) string { return strings.ReplaceAll(t, "\n", "\n"+margin) }

// json writes a value as indented JSON.
func (s stream) json(v any) error {
	e := json.NewEncoder(s)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// grid prints a table without lines: the names of its columns, then the rows.
func (s stream) grid(names []string, rows []table.Row) {
	t := table.NewWriter()
	t.SetOutputMirror(s)
	t.SuppressTrailingSpaces()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	header := table.Row{}
	for _, name := range names {
		header = append(header, s.faint(name))
	}
	t.AppendHeader(header)
	t.AppendRows(rows)
	t.Render()
}

// span returns a duration in its two largest units: "6d 23h".
func span(d time.Duration) string {
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd %dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm %ds", d/time.Minute, d%time.Minute/time.Second)
	default:
		return fmt.Sprintf("%ds", max(d, 0)/time.Second)
	}
}

// brief returns a duration to a tenth of a second, and as span from one minute on.
func brief(d time.Duration) string {
	if d >= time.Minute {
		return span(d)
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

// count returns a number with its noun: "1 server", "3 servers".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func orDash(t string) string {
	if t == "" {
		return "-"
	}
	return t
}
