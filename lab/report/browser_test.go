package report_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
)

// chrome is a running browser. It returns the context of a new tab.
type chrome func() (context.Context, context.CancelFunc)

// browser starts a headless Chromium with a fresh profile. It ends with the test.
func browser(t *testing.T) chrome {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Fatal("the HTML page is tested in a real browser, and there is no Chromium here: run `make chromium`, or install it")
	}
	// A container has no user namespaces for the sandbox, and little shared memory; the page is a file of our own.
	options := slices.Concat(chromedp.DefaultExecAllocatorOptions[:], []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true),
	})
	ctx, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel)
	ctx, _ = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil { // waits for the end, and for its profile to be removed
			t.Errorf("end %s: %v", program, err)
		}
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	return func() (context.Context, context.CancelFunc) { return chromedp.NewContext(ctx) }
}

// screen is how a page is shown.
type screen struct {
	width, height int64
	dark          bool
	noScript      bool
	media         string
}

var desktop, phone = screen{width: 1280, height: 900}, screen{width: 360, height: 740}

// openPage is a page in a tab, with the errors and the requests that the browser reported.
type openPage struct {
	ctx      func() context.Context
	t        *testing.T
	mu       sync.Mutex
	requests []string
	errors   []string
}

// open writes the content into a file and opens that.
func open(t *testing.T, browser chrome, content string, s screen) *openPage {
	t.Helper()
	file := filepath.Join(t.TempDir(), "index.html")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := browser()
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute) // ends a hang; a busy machine may take a minute for a page
	t.Cleanup(cancel)
	p := &openPage{ctx: func() context.Context { return ctx }, t: t}
	if err := chromedp.Listen(ctx, p.record); err != nil {
		t.Fatal(err)
	}
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	send(p, network.Enable, network.EnableParams{})
	send(p, log.Enable, cdp.Empty{})
	send(p, runtime.Enable, cdp.Empty{})
	send(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: s.noScript})
	send(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: s.width, Height: s.height, DeviceScaleFactor: 1, Mobile: s.width < 500,
	})
	send(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: s.media, Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	p.do(chromedp.Navigate("file://" + file))
	return p
}

func send[P, R any](p *openPage, command cdp.Command[P, R], params P) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx(), command, params); err != nil {
		p.t.Fatalf("%s: %v", command.Method, err)
	}
}

func (p *openPage) record(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		p.errors = append(p.errors, fmt.Sprintf("console: %s %v", e.Type, e.Args))
	case *log.EventEntryAdded:
		p.errors = append(p.errors, fmt.Sprintf("log: %s %s", e.Entry.Level, e.Entry.Text))
	}
}

func (p *openPage) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx(), actions...); err != nil {
		p.t.Fatal(err)
	}
}

// eval returns the value of an expression on the page.
func eval[T any](p *openPage, expression string) T {
	p.t.Helper()
	out, err := chromedp.Run(p.ctx(), chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return out
}

// recorded returns the errors and the requests so far.
func (p *openPage) recorded() (errors, requests []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.errors), slices.Clone(p.requests)
}

// quiet fails the test if there was an error, or a request for anything but the page itself.
func (p *openPage) quiet() {
	p.t.Helper()
	errors, requests := p.recorded()
	if len(errors) > 0 {
		p.t.Errorf("the browser says: %s", strings.Join(errors, "\n"))
	}
	if len(requests) != 1 || !strings.HasPrefix(requests[0], "file:///") {
		p.t.Errorf("requests: %q, want that of the page alone", requests)
	}
}

// sees reports whether the element that a selector finds is drawn.
func (p *openPage) sees(selector string) bool {
	p.t.Helper()
	return eval[bool](p, fmt.Sprintf(`(e => !!e && e.checkVisibility({contentVisibilityAuto: true, opacityProperty: true}) && e.getClientRects().length > 0)(document.querySelector(%q))`, selector))
}

// shown returns the IDs of the checks that are not filtered away.
func (p *openPage) shown() []string {
	p.t.Helper()
	return eval[[]string](p, `Array.from(document.querySelectorAll(".check")).filter(c => c.checkVisibility()).map(c => c.querySelector("code").textContent)`)
}

func pageOf(t *testing.T, r finding.Report) string {
	t.Helper()
	return written(t, r, report.HTML)
}
