package report_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
)

// TestPage tests the HTML report in a real browser.
func TestPage(t *testing.T) {
	b := browser(t)
	for _, part := range []struct {
		name string
		test func(*testing.T, chrome)
	}{
		{"the browser's errors are recorded", recordsErrors},
		{"it opens on every screen without an error", opensEverywhere},
		{"the matrix has its cells", matrixHasItsCells},
		{"a cell shows its details", cellShowsDetails},
		{"filters hide and show", filtersWork},
		{"a search finds", searchWorks},
		{"a check unfolds", checkUnfolds},
		{"a link unfolds its check", linkUnfolds},
		{"the keyboard is enough", keyboardIsEnough},
		{"the timeline is drawn to scale", timelineIsDrawn},
		{"the timeline needs no sight", timelineNeedsNoSight},
		{"what has changed comes first", changesComeFirst},
		{"the configuration is folded", configurationIsFolded},
		{"what matters is printed", printHasWhatMatters},
		{"it follows the scheme", followsTheScheme},
		{"it can be read without the script", readsWithoutScript},
		{"hostile texts stay texts", hostileStaysText},
		{"odd reports are shown", oddReportsAreShown},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, b) })
	}
}

// recordsErrors is the control of every other part: errors and requests are recorded if there are any.
func recordsErrors(t *testing.T, b chrome) {
	for content, want := range map[string]string{
		`<script>throw new Error("x")</script><footer></footer>`:                                  "exception",
		`<script>console.error("x")</script><footer></footer>`:                                    "console: error",
		`<meta http-equiv=Content-Security-Policy content="script-src 'none'"><script>1</script>`: "log: error",
	} {
		if got, _ := open(t, b, content, desktop).recorded(); !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("%s: recorded %q, want %s", content, got, want)
		}
	}
	if _, got := open(t, b, `<img src="http://127.0.0.1:9/x.png">`, desktop).recorded(); len(got) != 2 {
		t.Errorf("a page with a picture from elsewhere asks for %q", got)
	}
}

func opensEverywhere(t *testing.T, b chrome) {
	content := pageOf(t, sample(t))
	for _, s := range []screen{desktop, {width: 800, height: 600, dark: true}, phone} {
		p := open(t, b, content, s)
		if title := eval[string](p, `document.title`); title != "fail: lab sample" {
			t.Errorf("title %q", title)
		}
		if h1 := eval[string](p, `document.querySelector("h1").textContent`); !strings.Contains(h1, " of the matrix fail,") {
			t.Errorf("headline %q", h1)
		}
		if got := eval[int64](p, `document.documentElement.scrollWidth`); got > s.width {
			t.Errorf("at %d pixels it is %d wide", s.width, got)
		}
		p.quiet()
	}
}

func matrixHasItsCells(t *testing.T, b chrome) {
	p := open(t, b, pageOf(t, sample(t)), desktop)
	m := sample(t).Matrix
	want := []int{len(m.Rows), len(m.Rows) * len(m.Endpoints), len(m.Endpoints)}
	got := eval[[]int](p, `["tbody tr", "tbody td button", "thead th + th"].map(s => document.querySelectorAll("#matrix " + s).length)`)
	if !slices.Equal(got, want) {
		t.Errorf("rows, cells, columns: %v, want %v", got, want)
	}
	for class, want := range map[string]int{"fail": 2, "inconclusive": 1, "skipped": 1} {
		got := eval[[]string](p, fmt.Sprintf(`Array.from(document.querySelectorAll("td .cell.%s"), c => c.textContent)`, class))
		if len(got) != want {
			t.Errorf("%s: %q, want %d", class, got, want)
		}
	}
	if got := eval[int](p, `Array.from(document.querySelectorAll("td .cell")).filter(c => !c.getAttribute("aria-label") || !c.querySelector(".symbol").textContent || !c.querySelector(".word").textContent).length`); got != 0 {
		t.Errorf("%d cells say something by their colour alone", got)
	}
	p.quiet()
}

func cellShowsDetails(t *testing.T, b chrome) {
	p := open(t, b, pageOf(t, sample(t)), desktop)
	const cell, pop = `[popovertarget="cell-4-2"].cell`, "#cell-4-2"
	if p.sees(pop) {
		t.Fatal("it is open at first")
	}
	p.do(chromedp.Click(chromedp.CSS(cell)))
	if !p.sees(pop) {
		t.Fatal("it does not open")
	}
	got := eval[string](p, `document.querySelector("#cell-4-2").textContent`)
	for _, want := range []string{"fail", "cli of this region, at RPC handshake", "accepted", "refused in the handshake", "control before", "control after"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	p.do(chromedp.Click(chromedp.CSS(pop + " .close")))
	if p.sees(pop) {
		t.Error("it cannot be closed")
	}
	p.quiet()
}

func filtersWork(t *testing.T, b chrome) {
	p := open(t, b, pageOf(t, sample(t)), desktop)
	all := p.shown()
	if len(all) != 102 {
		t.Fatalf("%d checks are shown at first, want 102", len(all))
	}
	choose := func(name, value string) {
		p.do(chromedp.Click(chromedp.CSS(fmt.Sprintf(`.chip:has(input[name=%q][value=%q])`, name, value))))
	}
	choose("result", "fail")
	if got, want := p.shown(), []string{"api-denies-jobs-without-token", "pprof-is-closed", "rpc-refuses-plaintext"}; !slices.Equal(got, want) {
		t.Errorf("fail: %q, want %q", got, want)
	}
	if got := eval[string](p, `document.querySelector("#found").textContent`); got != "3 of 102 checks" {
		t.Errorf("it says %q", got)
	}
	choose("plane", "HTTP")
	if got, want := p.shown(), []string{"api-denies-jobs-without-token", "pprof-is-closed"}; !slices.Equal(got, want) {
		t.Errorf("fail, HTTP: %q, want %q", got, want)
	}
	if p.sees(".plane:nth-of-type(2) h3") {
		t.Error("a plane without checks is shown")
	}
	choose("severity", "high")
	if got, want := p.shown(), []string{"pprof-is-closed"}; !slices.Equal(got, want) {
		t.Errorf("fail, HTTP, high: %q, want %q", got, want)
	}
	choose("plane", "HTTP")
	choose("plane", "gossip")
	if got := p.shown(); len(got) != 0 || !p.sees(".calm.none") {
		t.Errorf("fail, gossip, high: %q, and it says so: %v", got, p.sees(".calm.none"))
	}
	p.do(chromedp.Click(chromedp.CSS("#all")))
	if got := p.shown(); !slices.Equal(got, all) || p.sees(".calm.none") {
		t.Errorf("after all are to be shown: %d", len(got))
	}
	p.quiet()
}

func searchWorks(t *testing.T, b chrome) {
	p := open(t, b, pageOf(t, sample(t)), desktop)
	for text, want := range map[string][]string{
		"Keyring.GET":                  {"rpc-denies-root-key-to-clients"},
		"pprof closed":                 {"pprof-is-closed"},
		"made for learning":            {"api-denies-jobs-without-token"},
		"nothing of this is in there ": nil,
	} {
		eval[string](p, `document.querySelector("#search").value = ""`)
		p.do(chromedp.SendKeys(chromedp.CSS("#search"), text))
		if got := p.shown(); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	p.quiet()
}

func checkUnfolds(t *testing.T, b chrome) {
	p := open(t, b, pageOf(t, sample(t)), desktop)
	const check = `.check[data-plane="RPC"][data-result="fail"]`
	if p.sees(check+" .body") || p.sees(check+" .node .evidence") {
		t.Fatal("it is not folded")
	}
	p.do(chromedp.Click(chromedp.CSS(check + " > summary")))
	if !p.sees(check+" .body") || p.sees(check+" .node .evidence") {
		t.Fatal("its nodes are not shown, or are not folded")
	}
	p.do(chromedp.Click(chromedp.CSS(check + " .node > summary")))
	if !p.sees(check + " .node .evidence") {
		t.Error("its evidence is not shown")
	}
	got := eval[string](p, `document.querySelector(`+"`"+check+"`"+`).innerText`)
	for _, want := range []string{"the same with a server's certificate of this region", "server-1", "client-2", "control before", "control after", "5 ms"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	p.quiet()
}

func linkUnfolds(t *testing.T, b chrome) {
	p := open(t, b, pageOf(t, sample(t)), desktop)
	p.do(chromedp.SendKeys(chromedp.CSS("#search"), "gossip"))
	p.do(chromedp.Click(chromedp.CSS(`#attention .card a[href^="#check"]`)))
	p.do(chromedp.WaitVisible(chromedp.CSS(".check[open] .body")))
	if got := eval[string](p, `document.querySelector(".check[open] code").textContent`); got != "api-denies-jobs-without-token" {
		t.Errorf("%q is unfolded", got)
	}
	p.quiet()
}

func keyboardIsEnough(t *testing.T, b chrome) {
	p := open(t, b, pageOf(t, sample(t)), desktop)
	press := func(selector, key string) {
		p.do(chromedp.Focus(chromedp.CSS(selector)), chromedp.KeyEvent(key))
	}
	press(`[popovertarget="cell-1-1"].cell`, "\r")
	if !p.sees("#cell-1-1") {
		t.Error("a cell is not opened by the return key")
	}
	p.do(chromedp.KeyEvent("\u001b"))
	if p.sees("#cell-1-1") {
		t.Error("a cell is not closed by the escape key")
	}
	press(".check > summary", "\r")
	if !p.sees(".check .body") {
		t.Error("a check is not unfolded by the return key")
	}
	press(`input[name="result"][value="fail"]`, " ")
	if got := p.shown(); len(got) != 3 {
		t.Errorf("the space key chooses %d checks that fail", len(got))
	}
	unnamed := eval[[]string](p, `Array.from(document.querySelectorAll("a, button, input, summary, svg[role=img], [role=dialog], section"))
		.filter(e => !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.textContent.trim() || e.labels?.length))
		.map(e => e.outerHTML.slice(0, 80))`)
	if len(unnamed) > 0 {
		t.Errorf("without a name: %q", unnamed)
	}
	p.quiet()
}

func printHasWhatMatters(t *testing.T, b chrome) {
	p := open(t, b, pageOf(t, sample(t)), desktop)
	p.do(chromedp.SendKeys(chromedp.CSS("#search"), "gossip")) // what is filtered away is printed too
	send(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	for selector, want := range map[string]bool{
		".filters": false, "nav": false, "h1": true, ".card": true, "#matrix td .cell": true, ".picture.wide": true, ".certificate .bar": true,
		".check.fail .body": true, ".check.fail .node .evidence": true, ".check.inconclusive .node .evidence": true, ".card .evidence": true,
		"#changes .card": true, "#configuration .lines": true,
		".check.pass > summary": true, ".check.pass .body": false,
	} {
		if got := p.sees(selector); got != want {
			t.Errorf("%s is printed: %v, want %v", selector, got, want)
		}
	}
	if got := len(p.shown()); got != 102 {
		t.Errorf("%d checks are printed, want 102", got)
	}
	pdf, err := chromedp.Run(p.ctx(), chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFPrintBackground()))
	if err != nil || !strings.HasPrefix(string(pdf), "%PDF-") {
		t.Errorf("print: %d bytes, %v", len(pdf), err)
	}
	p.quiet()
}

func followsTheScheme(t *testing.T, b chrome) {
	content := pageOf(t, sample(t))
	const colours = `["body", "td .cell.fail", ".pill.pass", ".card", ".change .how", ".change.inconclusive .pill", ".panel summary", ".about", "td .cell.refused", ".calm, .severity"].map(s => {
		const e = document.querySelector(s); let g = e;
		while (getComputedStyle(g).backgroundColor === "rgba(0, 0, 0, 0)") g = g.parentElement;
		const light = c => c.match(/\d+/g).slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
		return [light(getComputedStyle(e).color), light(getComputedStyle(g).backgroundColor)]; })`
	for _, dark := range []bool{false, true} {
		p := open(t, b, content, screen{width: 1280, height: 900, dark: dark})
		got := eval[[][2]float64](p, colours)
		if isDark := got[0][1] < 0.1; isDark != dark {
			t.Errorf("dark is asked for: %v, it is dark: %v", dark, isDark)
		}
		for i, c := range got { // WCAG 2 wants this contrast at level AA
			if contrast := (max(c[0], c[1]) + 0.05) / (min(c[0], c[1]) + 0.05); contrast < 4.5 {
				t.Errorf("dark %v: contrast of the text no. %d is %.1f, want 4.5", dark, i, contrast)
			}
		}
	}
}

func readsWithoutScript(t *testing.T, b chrome) {
	p := open(t, b, pageOf(t, sample(t)), screen{width: 1280, height: 900, noScript: true})
	send(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false}) // for eval
	if p.sees(".filters") {
		t.Error("filters are shown that cannot work")
	}
	if got := len(p.shown()); got != 102 {
		t.Errorf("%d checks are shown, want 102", got)
	}
	p.do(chromedp.Click(chromedp.CSS(`[popovertarget="cell-1-1"].cell`)))
	if !p.sees("#cell-1-1") {
		t.Error("a cell does not open")
	}
}

func hostileStaysText(t *testing.T, b chrome) {
	for name, r := range map[string]finding.Report{"hostile": hostile(), "long": long()} {
		for _, s := range []screen{desktop, phone} {
			p := open(t, b, pageOf(t, r), s)
			if got := eval[string](p, `document.title`); got == "owned" {
				t.Errorf("%s: an agent's answer was run", name)
			}
			if got := eval[[]int](p, `["script", "img", "iframe", "a[href^=http]"].map(s => document.querySelectorAll(s).length)`); !slices.Equal(got, []int{1, 0, 0, 0}) {
				t.Errorf("%s: scripts, pictures, frames, links: %v, want the page's own script alone", name, got)
			}
			if got := eval[int64](p, `document.documentElement.scrollWidth`); got > s.width {
				t.Errorf("%s: at %d pixels it is %d wide", name, s.width, got)
			}
			p.quiet()
		}
	}
}

func oddReportsAreShown(t *testing.T, b chrome) {
	one := sample(t)
	one.Findings, one.Matrix, one.Cluster.Certificates, one.Cluster.Nodes = one.Findings[:1], nil, nil, nil
	many := sample(t)
	many.Findings = many.Findings[:30]
	for i := range 40 {
		many.Cluster.Nodes = append(many.Cluster.Nodes, finding.Node{Name: fmt.Sprintf("client-%d", i+3), Role: "client", Region: "europe"})
	}
	ragged := sample(t)
	ragged.Findings = ragged.Findings[:30]
	ragged.Matrix.Rows[3].Cells = ragged.Matrix.Rows[3].Cells[:2]
	for name, c := range map[string]struct {
		r                       finding.Report
		result                  string
		matrix, cluster, checks bool
	}{
		"empty":       {finding.Report{}, "inconclusive", false, false, false},
		"no cells":    {finding.Report{Matrix: &finding.Matrix{}, Findings: one.Findings}, "pass", false, false, true},
		"one finding": {one, "pass", false, false, true},
		"many nodes":  {many, "fail", true, true, true},
		"a short row": {ragged, "fail", true, true, true},
	} {
		for _, s := range []screen{desktop, phone} {
			p := open(t, b, pageOf(t, c.r), s)
			if !p.sees(".top." + c.result) {
				t.Errorf("%s: the result is not %s", name, c.result)
			}
			for selector, want := range map[string]bool{"#matrix": c.matrix, "#cluster svg.picture": c.cluster, ".check": c.checks} {
				if got := eval[bool](p, fmt.Sprintf(`!!document.querySelector(%q)`, selector)); got != want {
					t.Errorf("%s: %s is there: %v, want %v", name, selector, got, want)
				}
			}
			if got := eval[int64](p, `document.documentElement.scrollWidth`); got > s.width {
				t.Errorf("%s: at %d pixels it is %d wide", name, s.width, got)
			}
			p.quiet()
		}
	}
}

// TestPageFoldsALongList: the end of a long list of what needs attention is there, but folded away.
func TestPageFoldsALongList(t *testing.T) {
	var r finding.Report
	for i := range 20 {
		r.Findings = append(r.Findings, finding.Finding{ID: fmt.Sprintf("check-%d", i), Title: fmt.Sprintf("title %d", i), Plane: "RPC", Result: finding.Fail})
	}
	before, after, folds := strings.Cut(written(t, r, report.HTML), "<summary>12 more that need attention</summary>")
	if !folds || strings.Count(before, `<li class="card`) != 8 || strings.Count(after, `<li class="card`) != 12 {
		t.Errorf("folds: %v; %d cards before, %d after", folds, strings.Count(before, `<li class="card`), strings.Count(after, `<li class="card`))
	}
	r.Findings = r.Findings[:16]
	if strings.Contains(written(t, r, report.HTML), "more that need attention") {
		t.Error("a list that is not long is folded too")
	}
}
