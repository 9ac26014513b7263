package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"nomadlab.internal/lab/finding"
)

// pageFiles are the templates, the styles and the script of the HTML page.
//
//go:embed page
var pageFiles embed.FS

// HTML writes the report as one page that needs nothing else: its styles and its script are in it, and a content
// security policy forbids it to load or to send anything, and to run any other script. It can be read without the
// script, which only filters. HTML returns the writer's error.
func HTML(w io.Writer, r finding.Report) error {
	style, err := pageFiles.ReadFile("page/style.css")
	if err != nil {
		return fmt.Errorf("read the page's styles: %w", err)
	}
	script, err := pageFiles.ReadFile("page/script.js")
	if err != nil {
		return fmt.Errorf("read the page's script: %w", err)
	}
	p := newPage(newView(r))
	t, err := template.New("page.html").Funcs(p.functions()).ParseFS(pageFiles, "page/*.html")
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	p.Style, p.Script = template.CSS(style), template.JS(script) //nolint:gosec // they are ours, and hold nothing of the report
	p.Policy = fmt.Sprintf("default-src 'none'; base-uri 'none'; form-action 'none'; style-src %s; script-src %s",
		digest(style), digest(script))
	var b bytes.Buffer // the page is written as a whole: half a page would look like a report
	if err := t.Execute(&b, p); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("write report as HTML: %w", err)
	}
	return nil
}

// digest returns the name that a content security policy has for a style or a script in the page itself.
func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// page is the data of the page's template: the view, and what only the page shows.
type page struct {
	view
	Policy                   string
	Style                    template.CSS
	Script                   template.JS
	Subject, Headline, About string
	Result                   finding.Result
	Tiles                    []option
	Changes                  folding[finding.Change]
	Cards                    folding[card]
	Pictures                 []picture
	Lives                    *certificateLives
	Timeline                 *drawnTimeline
	Filters                  []filter
	anchors                  map[string]string
}

// folding is a list, the worst items first. If it is long, most of it is folded away.
type folding[T any] struct{ Shown, Folded []T }

func fold[T any](all []T) folding[T] {
	if len(all) <= 2*maxFull {
		return folding[T]{Shown: all}
	}
	return folding[T]{all[:maxFull], all[maxFull:]}
}

// badge is a result or a direction as a class for its colour, a symbol and a word: never a colour alone.
type badge struct{ Class, Symbol, Word string }

// card shows a check or a cell that needs attention. Link is empty for a cell.
type card struct {
	finding.Finding
	Link         string
	Observations []cardObservation
}

// cardObservation is what was seen at some nodes. Beside says what was wanted.
type cardObservation struct{ Nodes, Outcome, Beside, Reason string }

// filter is one group of the page's filters.
type filter struct {
	Name, Key string
	Options   []option
}

type option struct {
	Value string
	Count int
}

func newPage(v view) page {
	p := page{
		view: v, Subject: v.subject(), Headline: v.headline(), About: v.about(), Result: v.result(),
		Changes: fold(v.changes()), Pictures: v.pictures(), Lives: v.lives(), Timeline: v.drawnTimeline(), Filters: v.filters(), Tiles: v.resultOptions(),
		anchors: map[string]string{},
	}
	for _, plane := range v.Planes {
		for _, c := range plane.WorstFirst() {
			p.anchors[c.ID] = fmt.Sprintf("check-%d", len(p.anchors)+1)
		}
	}
	var cards []card
	for _, c := range slices.Concat(v.checksThat(finding.Fail), v.checksThat(finding.Inconclusive)) {
		cards = append(cards, v.cardOf(c, "#"+p.anchors[c.ID]))
	}
	for _, c := range v.oddCells() {
		cards = append(cards, card{
			Finding: finding.Finding{
				Result: c.Result, Title: c.row.Title + ", at " + c.Endpoint, ID: "matrix: " + c.row.Certificate, Evidence: c.Evidence,
			},
			Observations: []cardObservation{{v.serversOf(c.Cell), c.Outcome, besideOutcome(c.Outcome, c.Want), c.Reason}},
		})
	}
	slices.SortStableFunc(cards, func(a, b card) int {
		return cmp.Or(cmp.Compare(a.Result.Rank(), b.Result.Rank()),
			cmp.Compare(finding.RankOfSeverity(a.Severity), finding.RankOfSeverity(b.Severity)))
	})
	p.Cards = fold(cards)
	if m := v.Matrix; m != nil && (len(m.Rows) == 0 || len(m.Endpoints) == 0) {
		p.Matrix = nil
	}
	return p
}

// functions returns what the templates call.
func (p page) functions() template.FuncMap {
	return template.FuncMap{
		"resultBadge": resultBadge, "changeBadge": changeBadge, "cellBadge": cellBadge,
		"symbolOf": func(result string) string { return resultBadge(finding.Result(result)).Symbol },
		"counts":   counts, "seconds": seconds, "oneOf": oneOf, "heading": heading, "details": details,
		"next":    func(i int) int { return i + 1 },
		"anchor":  func(id string) string { return p.anchors[id] },
		"titleOf": titleOf, "changedHow": changedHow, "stateWords": stateWords, "mostLikely": mostLikely,
		"since": p.since, "directionWords": p.directionWords, "settingsWords": p.settingsWords,
		"nothingChanged": func() string { return capitalized(p.nothingChanged(p.since())) },
		"roleFiles":      p.roleFiles, "unused": p.unused, "unusedWords": p.unusedWords, "placeOf": placeOf, "becameWhat": becameWhat,
		"restsOn": p.restsOn, "serversOf": p.serversOf,
	}
}

func resultBadge(result finding.Result) badge {
	symbol := map[finding.Result]string{
		finding.Pass: "✓", finding.Fail: "✕", finding.Inconclusive: "?", finding.Skipped: "–",
	}[result]
	return badge{string(result), symbol, string(result)}
}

// changeBadge has the colour of the result that the change leads to.
func changeBadge(d finding.Direction) badge {
	symbols := map[finding.Direction]string{finding.Weaker: "▼", finding.Stronger: "▲", finding.Unclear: "?"}
	return badge{string(resultLike(d)), symbols[d], string(d)}
}

// cellBadge has the cell's outcome as its word. The colour of a cell that passes also shows the outcome.
func cellBadge(c finding.Cell) badge {
	b := resultBadge(c.Result)
	switch {
	case c.Result == finding.Skipped:
		return b
	case c.Result == finding.Pass && isAccepted(c.Outcome):
		b.Class, b.Symbol = "accepted", "●"
	case c.Result == finding.Pass:
		b.Class, b.Symbol = "refused", "○"
	}
	b.Word = shortOutcome(c.Outcome)
	return b
}

// cardOf shows what was observed of a check with its result; its evidence is where the link leads.
func (v view) cardOf(c check, link string) card {
	out := card{Finding: c.Finding, Link: link}
	out.Evidence = nil
	for _, o := range c.observations() {
		if o.Key.result == c.Result {
			out.Observations = append(out.Observations, cardObservation{
				v.nodesOf(o.Items), o.Key.outcome, besideOutcome(o.Key.outcome, c.Want...), o.Key.reason,
			})
		}
	}
	return out
}

// resultOptions counts the checks of each result.
func (v view) resultOptions() []option {
	return each(finding.Results(), func(result finding.Result) option {
		return option{string(result), len(v.checksThat(result))}
	})
}

// filters returns the page's filters, with the values that this report has.
func (v view) filters() []filter {
	results := slices.DeleteFunc(v.resultOptions(), func(o option) bool { return o.Count == 0 })
	planes := each(v.Planes, func(p plane) option { return option{p.Name, len(p.Checks)} })
	var checks []check
	for _, p := range v.Planes {
		checks = append(checks, p.Checks...)
	}
	var severities []option
	for _, g := range groupBy(checks, func(c check) string { return c.Severity }) {
		if g.Key != "" {
			severities = append(severities, option{g.Key, len(g.Items)})
		}
	}
	slices.SortFunc(severities, func(a, b option) int {
		ranks := cmp.Compare(finding.RankOfSeverity(a.Value), finding.RankOfSeverity(b.Value))
		return cmp.Or(ranks, strings.Compare(a.Value, b.Value))
	})
	return []filter{{"Result", "result", results}, {"Plane", "plane", planes}, {"Severity", "severity", severities}}
}
