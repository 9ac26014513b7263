package report_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"nomadlab.internal/lab/finding"
)

func changesComeFirst(t *testing.T, b chrome) {
	for _, s := range []screen{desktop, phone} {
		p := open(t, b, pageOf(t, sample(t)), s)
		if got := eval[string](p, `document.querySelector("main section").id`); got != "changes" {
			t.Errorf("%q comes first", got)
		}
		got := eval[[]string](p, `Array.from(document.querySelectorAll("#changes .card"), c => c.querySelector(".pill").textContent + " " + c.querySelector(".id").textContent)`)
		want := []string{
			"▼ weaker rpc-refuses-plaintext", "▼ weaker pprof-is-closed", "? unclear gossip-refuses-an-old-key",
			"? unclear network-detects-changed-bytes", "▲ stronger https-limits-connections-of-one-address",
		}
		if !slices.Equal(got, want) {
			t.Errorf("changes: %q, want %q", got, want)
		}
		first := eval[string](p, `document.querySelector("#changes .card").innerText`)
		for _, want := range []string{"was refused in the handshake, is now accepted", "most likely tls.rpc, nomad.d/tls.hcl:3", "it was let in: 200 OK"} {
			if !strings.Contains(strings.ToLower(first), strings.ToLower(want)) {
				t.Errorf("%q is not in %q", want, first)
			}
		}
		p.do(chromedp.Click(chromedp.CSS(`#changes .card a`)))
		p.do(chromedp.WaitVisible(chromedp.CSS(".check[open] .body")))
		if got := eval[string](p, `document.querySelector(".check[open] code").textContent`); got != "rpc-refuses-plaintext" {
			t.Errorf("the link of a change unfolds %q", got)
		}
		p.quiet()
	}
	p := open(t, b, pageOf(t, finding.Report{Comparison: &finding.Comparison{With: "posture.lock.yaml"}}), desktop)
	if got := eval[string](p, `document.querySelector("#changes .calm").textContent`); !strings.Contains(got, "Nothing has changed since posture.lock.yaml") {
		t.Errorf("of nothing that has changed it says %q", got)
	}
	if p.sees("#changes .card") || p.sees("#configuration") {
		t.Error("there are changes, or a configuration, that are not in the report")
	}
	p.quiet()
}

func configurationIsFolded(t *testing.T, b chrome) {
	p := open(t, b, pageOf(t, sample(t)), desktop)
	if !p.sees("#configuration .facts") || p.sees("#configuration .lines") {
		t.Fatal("the files are not shown, or the lines are not folded")
	}
	p.do(chromedp.Click(chromedp.CSS("#configuration summary")))
	if !p.sees("#configuration .lines") {
		t.Fatal("the lines are not unfolded")
	}
	if got := eval[int](p, `document.querySelectorAll("#configuration .lines li").length`); got != 9 {
		t.Errorf("%d lines are shown, want 9", got)
	}
	got := eval[string](p, `document.querySelector("#configuration").innerText`)
	for _, want := range []string{
		"nomad.d/client.hcl", "7 lines were not used as they stand, 2 were added", "he cluster has its own network",
		`"10.0.0.5" was taken out`, `["provider=aws tag_key=nomad"] became ["127.82.244.11"]`, "nomad.d/server.hcl:12", "false was added",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	p.quiet()
}
