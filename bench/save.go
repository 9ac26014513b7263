package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"nomadlab.internal/bench/chart"
	"nomadlab.internal/bench/measure"
	"nomadlab.internal/bench/report"
)

// The page of the documentation, and what the names of its charts begin with.
const (
	page       = "performance.md"
	pageCharts = "performance-"
)

// save writes the results, and the documentation if that is wanted.
func (b *bench) save() error {
	if err := os.MkdirAll(b.settings.out, 0o755); err != nil {
		return fmt.Errorf("make the folder for the results: %w", err)
	}
	if err := b.results.Save(filepath.Join(b.settings.out, "results.json")); err != nil {
		return err
	}
	tables := report.Markdown(b.results, 2, func(name string) string { return name })
	if err := write(filepath.Join(b.settings.out, "results.md"), []byte("# Benchmark\n\n"+tables)); err != nil {
		return err
	}
	if err := b.draw(filepath.Join(b.settings.out, "")+string(filepath.Separator), b.results); err != nil {
		return err
	}
	b.say("results.json, results.md and the charts are in %s", b.settings.out)
	return b.document()
}

// document puts the results into the page. Those of a run that was interrupted are not for it.
func (b *bench) document() error {
	folder := b.settings.docs
	if folder == "" || b.results.Interrupted {
		return nil
	}
	at := filepath.Join(folder, page)
	old, err := os.ReadFile(at)
	if err != nil {
		return fmt.Errorf("read the page that is to get the numbers: %w", err)
	}
	tables := report.Markdown(b.results, 3, func(name string) string { return pageCharts + name })
	rewritten, err := report.Rewrite(string(old), fromHome(tables))
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	if err := b.draw(filepath.Join(folder, pageCharts), b.results); err != nil {
		return err
	}
	return write(at, []byte(rewritten))
}

// fromHome writes paths below the user's home as ~: the page is for strangers.
func fromHome(text string) string {
	if home, err := os.UserHomeDir(); err == nil && len(home) > 1 {
		return strings.ReplaceAll(text, home+string(filepath.Separator), "~"+string(filepath.Separator))
	}
	return text
}

// draw writes the charts; their paths begin with the prefix. A chart that would be empty is removed: an old one would
// show other numbers.
func (b *bench) draw(prefix string, r measure.Results) error {
	for name, draw := range map[string]func(measure.Results) ([]byte, error){report.BootChart: chart.Boot, report.SizeChart: chart.Size} {
		svg, err := draw(r)
		switch {
		case errors.Is(err, chart.ErrEmpty):
			_ = os.Remove(prefix + name) // most often there is none
			continue
		case err != nil:
			return err
		}
		if err := write(prefix+name, svg); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, data []byte) error {
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
