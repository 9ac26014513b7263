package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"nomadlab.internal/bench/measure"
)

// Terminal writes the tables for a person at a terminal.
func Terminal(to io.Writer, r measure.Results) error {
	for _, s := range Sections(r) {
		t := s.table()
		style := table.StyleDefault
		style.Options = table.OptionsNoBordersAndSeparators
		style.Box.PaddingLeft, style.Box.PaddingRight = "  ", ""
		style.Format.Header = text.FormatDefault
		t.SetStyle(style)
		t.SuppressTrailingSpaces()
		if _, err := fmt.Fprintf(to, "\n%s\n%s\n", strings.ToUpper(s.Title), t.Render()); err != nil {
			return fmt.Errorf("write the table: %w", err)
		}
	}
	return nil
}

// Markdown returns the tables and charts as Markdown. Each heading has that level, 1 to 6; chart gives the place of a
// chart by its name.
func Markdown(r measure.Results, level int, chart func(name string) string) string {
	var out strings.Builder
	for i, s := range Sections(r) {
		if i > 0 {
			out.WriteString("\n")
		}
		fmt.Fprintf(&out, "%s %s\n\n", strings.Repeat("#", level), s.Title)
		if s.Image != "" {
			fmt.Fprintf(&out, "![%s](%s)\n\n", s.Title, chart(s.Image))
		}
		if s.Note != "" {
			fmt.Fprintf(&out, "%s\n\n", wrap(s.Note))
		}
		out.WriteString(s.table().RenderMarkdown() + "\n")
	}
	return out.String()
}

func (s Section) table() table.Writer {
	t := table.NewWriter()
	t.AppendHeader(cells(s.Header))
	for _, row := range s.Rows {
		t.AppendRow(cells(row))
	}
	return t
}

func cells(values []string) table.Row {
	row := make(table.Row, len(values))
	for i, v := range values {
		row[i] = v
	}
	return row
}

// wrap breaks a paragraph as the pages of the documentation are broken.
func wrap(paragraph string) string {
	const width = 120
	lines := strings.Split(text.WrapSoft(paragraph, width), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}
