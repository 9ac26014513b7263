package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// grid is a table without lines: a row of names, then rows of values, each column as wide as it must be.
func (s stream) grid(names []string, rows [][]string) {
	t := table.NewWriter()
	t.SetOutputMirror(s)
	t.SuppressTrailingSpaces()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	t.AppendHeader(cells(names, s.faint))
	for _, r := range rows {
		t.AppendRow(cells(r, func(v string) string { return v }))
	}
	t.Render()
}

func cells(values []string, paint func(string) string) table.Row {
	row := make(table.Row, len(values))
	for i, v := range values {
		row[i] = paint(v)
	}
	return row
}

// nodes is a lab's nodes, one in a row.
func (s stream) nodes(status lab.Status) {
	names := []string{"NODE", "ROLE", "STATE", "RAFT", "ADDRESS", "HTTPS", "CERT", "GOSSIP"}
	regional := severalRegions(status)
	if regional {
		names = append([]string{"REGION"}, names...)
	}
	rows := make([][]string, 0, len(status.Nodes))
	for _, n := range status.Nodes {
		row := []string{
			n.Name, string(n.Role), s.state(n), s.raft(n), orDash(n.Address),
			s.address(n.HTTP), s.expiry(n.CertificateExpires), s.gossip(n),
		}
		if regional {
			row = append([]string{n.Region}, row...)
		}
		rows = append(rows, row)
	}
	s.grid(names, rows)
}

func severalRegions(status lab.Status) bool {
	for _, n := range status.Nodes {
		if n.Region != status.Nodes[0].Region {
			return true
		}
	}
	return false
}

// address leaves out the scheme where it is the one that the column promises.
func (s stream) address(at string) string {
	switch short, encrypted := strings.CutPrefix(at, "https://"); {
	case at == "":
		return s.faint("-")
	case encrypted:
		return short
	default:
		return s.bad(at)
	}
}

func (s stream) state(n lab.NodeStatus) string {
	switch {
	case n.State == "alive" || n.State == "ready":
		return s.good(n.State)
	case n.ExtraNode && n.State == lab.StateStopped:
		return s.faint("outside")
	default:
		return s.bad(n.State)
	}
}

func (s stream) raft(n lab.NodeStatus) string {
	switch {
	case n.Leader:
		return s.bold("leader")
	case n.Voter:
		return "voter"
	case n.Role == pki.Server && n.HTTP != "":
		return s.uneasy("no voter")
	default:
		return s.faint("-")
	}
}

func (s stream) gossip(n lab.NodeStatus) string {
	switch n.Gossip {
	case lab.GossipEncrypted:
		return n.Gossip
	case "":
		return s.faint("-")
	default:
		return s.bad(n.Gossip)
	}
}

func (s stream) expiry(t time.Time) string {
	left := time.Until(t)
	switch {
	case t.IsZero():
		return s.faint("-")
	case left <= 0:
		return s.bad("expired")
	case left < time.Hour:
		return s.uneasy(span(left))
	default:
		return span(left)
	}
}

// span is a length of time in its two largest units, as nobody reads more of it: "6d 23h".
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

// brief is a length of time to a tenth of a second.
func brief(d time.Duration) string {
	if d >= time.Minute {
		return span(d)
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

// count is a number with its noun: "1 server", "3 servers".
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
