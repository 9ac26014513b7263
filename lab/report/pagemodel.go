package report

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// page is what the template of the HTML page shows, each text as it stands there.
type page struct {
	Policy                   string
	Style                    template.CSS
	Script                   template.JS
	Subject, Headline, About string
	Notes                    []string
	Verdict                  badge
	Tiles                    []tile
	Comparison               *comparisonPage
	// Attention are the worst, MoreAttention what is folded away behind a long list of them.
	Attention, MoreAttention []attention
	Matrix                   *matrixPage
	Picture                  []picture
	Locks                    []lock
	Timeline                 *timeline
	Configuration            *configurationPage
	Planes                   []planePage
	Filters                  []filter
	Checks                   int
}

// badge is a result, as a class for its colour, a symbol and a word: never a colour alone.
type badge struct{ Class, Symbol, Word string }

func newBadge(v finding.Result) badge {
	switch v {
	case finding.Pass:
		return badge{"held", "✓", "held"}
	case finding.Fail:
		return badge{"broken", "✕", "BROKEN"}
	case finding.Skipped:
		return badge{"skipped", "–", "skipped"}
	default:
		return badge{"untried", "?", "not carried out"}
	}
}

// tile is a number at the top.
type tile struct {
	badge
	Number int
	Of     string
}

// attention is something that a reader has to know: a check that is broken or could not be tried, or such a cell.
type attention struct {
	badge
	Title, ID, Severity, Link string
	Sightings                 []seen
	Known, Why, RestsOn       string
	Evidence                  []evidencePage
}

// seen is what some nodes had in common.
type seen struct{ Nodes, Outcome, Beside, Reason string }

// filter is one group of the page's filters.
type filter struct {
	Name, Key string
	Options   []option
}

type option struct {
	Value, Label string
	Count        int
}

// planePage is a plane with its checks, the worst first.
type planePage struct {
	Name, Counts string
	Checks       []checkPage
}

type checkPage struct {
	badge
	ID, Title, Plane, Kind, Severity, Want, Control, Known, Why, RestsOn, Anchor string
	Nodes                                                                        []nodePage
}

// nodePage is what was found at one node.
type nodePage struct {
	badge
	Node, Outcome, Reason, Took string
	Evidence                    []evidencePage
}

type evidencePage struct {
	Part, Heading string
	Details       []detailPage
}

type detailPage struct {
	Name, Text string
	Log        bool
}

func newPage(v view) page {
	p := page{
		Subject: v.subject(), Headline: v.headline(), About: v.about(), Notes: v.report.Notes, Verdict: newBadge(v.verdict()),
		Matrix: v.matrixPage(), Picture: v.pictures(), Timeline: v.timeline(), Locks: v.locks(), Checks: v.checks.Total(),
		Configuration: v.configurationPage(),
	}
	p.Tiles = tiles(v)
	anchors := map[string]string{}
	for _, pl := range v.planes {
		out := planePage{Name: pl.name, Counts: counts(pl.counts)}
		for _, c := range pl.worstFirst() {
			anchors[c.ID] = fmt.Sprintf("check-%d", len(anchors)+1)
			out.Checks = append(out.Checks, v.checkPage(c, anchors[c.ID]))
		}
		p.Planes = append(p.Planes, out)
	}
	p.Comparison = v.comparisonPage(anchors)
	for _, c := range slices.Concat(v.of(finding.Fail), v.of(finding.Inconclusive)) {
		p.Attention = append(p.Attention, v.attentionOf(c, anchors[c.ID]))
	}
	for _, c := range v.oddCells() {
		p.Attention = append(p.Attention, v.attentionOfCell(c))
	}
	slices.SortStableFunc(p.Attention, func(a, b attention) int { // broken, then untried; of each the worst first, as others are folded away
		return cmp.Or(strings.Compare(a.Class, b.Class), cmp.Compare(finding.RankOfSeverity(a.Severity), finding.RankOfSeverity(b.Severity)))
	})
	if len(p.Attention) > 2*toldInFull {
		p.Attention, p.MoreAttention = p.Attention[:toldInFull], p.Attention[toldInFull:]
	}
	p.Filters = v.filters()
	return p
}

func tiles(v view) []tile {
	noun := func(s finding.Summary) string { return plural(s.Total(), "promise", "promises") }
	out := []tile{
		{newBadge(finding.Fail), v.checks.Fail, noun(v.checks)},
		{newBadge(finding.Inconclusive), v.checks.Inconclusive, noun(v.checks)},
		{newBadge(finding.Pass), v.checks.Pass, noun(v.checks)},
		{newBadge(finding.Skipped), v.checks.Skipped, noun(v.checks)},
	}
	return out
}

func (v view) checkPage(c check, anchor string) checkPage {
	out := checkPage{
		badge: newBadge(c.Result), ID: c.ID, Title: c.Title, Plane: c.Plane, Kind: c.Kind, Severity: c.Severity,
		Want: oneOf(c.Want), Control: c.Control, Known: c.Known, Why: c.Why, RestsOn: v.restsOn(c.Finding), Anchor: anchor,
	}
	if out.Title == "" {
		out.Title = c.ID
	}
	for _, f := range c.at {
		out.Nodes = append(out.Nodes, nodePage{
			badge: newBadge(f.Result), Node: f.Node, Outcome: f.Outcome, Reason: f.Reason, Took: seconds(f.Took),
			Evidence: evidencePages(f.Evidence),
		})
	}
	return out
}

func evidencePages(all []finding.Evidence) []evidencePage {
	var out []evidencePage
	for _, e := range all {
		one := evidencePage{Part: string(e.Part), Heading: heading(e)}
		for _, d := range details(e) {
			one.Details = append(one.Details, detailPage{Name: d.name, Text: d.text, Log: d.name == "log"})
		}
		out = append(out, one)
	}
	return out
}

func (v view) attentionOf(c check, anchor string) attention {
	a := attention{
		badge: newBadge(c.Result), Title: c.Title, ID: c.ID, Severity: c.Severity, Link: "#" + anchor, Known: c.Known, Why: c.Why,
		RestsOn: v.restsOn(c.Finding),
	}
	for _, s := range c.sightings() {
		if s.verdict == c.Result {
			a.Sightings = append(a.Sightings, seen{Nodes: v.nodesOf(s.nodes), Outcome: s.outcome, Beside: besideSeen(s.outcome, c.Want...), Reason: s.reason})
		}
	}
	return a
}

func (v view) attentionOfCell(c oddCell) attention {
	return attention{
		badge: newBadge(c.Result), Title: c.row.Title + ", at " + c.Endpoint, ID: "matrix: " + c.row.Certificate,
		Sightings: []seen{{Nodes: serversOf(v.report.Matrix, c.Cell), Outcome: c.Outcome, Beside: besideSeen(c.Outcome, c.Want), Reason: c.Reason}},
		Evidence:  evidencePages(c.Cell.Evidence),
	}
}

// filters are the groups of filters, each with what there is in this report alone.
func (v view) filters() []filter {
	planes := filter{Name: "Plane", Key: "plane"}
	verdicts := filter{Name: "Result", Key: "result"}
	severity := filter{Name: "Severity", Key: "severity"}
	bySeverity := map[string]int{}
	for _, p := range v.planes {
		planes.Options = append(planes.Options, option{p.name, p.name, len(p.checks)})
		for _, c := range p.checks {
			bySeverity[c.Severity]++
		}
	}
	for _, verdict := range finding.Results() {
		if n := len(v.of(verdict)); n > 0 {
			verdicts.Options = append(verdicts.Options, option{newBadge(verdict).Class, string(verdict), n})
		}
	}
	for _, s := range slices.SortedFunc(maps.Keys(bySeverity), func(a, b string) int {
		return cmp.Or(cmp.Compare(finding.RankOfSeverity(a), finding.RankOfSeverity(b)), strings.Compare(a, b))
	}) {
		if s != "" {
			severity.Options = append(severity.Options, option{s, s, bySeverity[s]})
		}
	}
	return []filter{verdicts, planes, severity}
}
