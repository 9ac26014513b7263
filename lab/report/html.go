package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"

	"nomadlab.internal/lab/finding"
)

// pageFiles are what the HTML page is made of.
//
//go:embed page
var pageFiles embed.FS

// HTML writes the report as one page that needs nothing else: its styles and its script are in it, and a content
// security policy forbids it to load or to send anything, and to run any other script. It can be read without the
// script, which only filters. Its error is the writer's.
func HTML(w io.Writer, r finding.Report) error {
	style, err := pageFiles.ReadFile("page/style.css")
	if err != nil {
		return fmt.Errorf("read the page's styles: %w", err)
	}
	script, err := pageFiles.ReadFile("page/script.js")
	if err != nil {
		return fmt.Errorf("read the page's script: %w", err)
	}
	t, err := template.New("page.html").ParseFS(pageFiles, "page/*.html")
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	p := newPage(newView(r))
	p.Style, p.Script = template.CSS(style), template.JS(script) //nolint:gosec // they are ours, and hold nothing of the report
	p.Policy = "default-src 'none'; base-uri 'none'; form-action 'none'; style-src " + digest(style) + "; script-src " + digest(script)
	// The page is made as a whole first: half a page would look like a report.
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("write report as HTML: %w", err)
	}
	return nil
}

// digest is how a content security policy names a style or a script that is in the page itself.
func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
