package chart_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"nomadlab.internal/bench/chart"
	"nomadlab.internal/bench/measure"
)

func results(rounds int) measure.Results {
	r := measure.Results{Contestants: []measure.Contestant{
		{Name: "floor", Title: "by <hand>"}, {Name: "engine", Title: "our engine", Against: "floor"}, {Name: "absent", Title: "the absent one"},
	}}
	for _, name := range []string{"floor", "engine"} {
		for round := 1; round <= rounds; round++ {
			b := measure.Boot{Contestant: name, Round: round, Seconds: map[measure.Milestone]float64{}}
			for i, m := range measure.Milestones() {
				b.Seconds[m] = float64(i) + float64(round)/10
			}
			r.Boots = append(r.Boots, b)
		}
		for _, clients := range []int{1, 5, 15} {
			r.Sizes = append(r.Sizes, measure.Size{Clients: clients, Boot: measure.Boot{
				Contestant: name, Round: 1, Seconds: map[measure.Milestone]float64{measure.Ready: 2 + float64(clients)/10},
			}})
		}
	}
	failed := measure.Boot{Contestant: "engine", Round: rounds + 1, Error: "it failed", Seconds: map[measure.Milestone]float64{measure.Ready: 50}}
	r.Boots = append(r.Boots, failed)
	r.Sizes = append(r.Sizes, measure.Size{Clients: 100, Boot: failed})
	return r
}

// seen is what is drawn in an SVG: how many filled shapes of each colour, how many lines of each, and all text.
type seen struct {
	dots, lines map[string]int
	text        string
}

func look(t *testing.T, svg []byte) seen {
	t.Helper()
	out := seen{dots: map[string]int{}, lines: map[string]int{}}
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("the chart is not well-formed: %v", err)
		}
		switch x := token.(type) {
		case xml.CharData:
			out.text += string(x)
		case xml.StartElement:
			for _, a := range x.Attr {
				if x.Name.Local != "path" || a.Name.Local != "style" {
					continue
				}
				for property := range strings.SplitSeq(a.Value, ";") {
					name, value, _ := strings.Cut(property, ":")
					switch name {
					case "fill":
						out.dots[value]++
					case "stroke":
						out.lines[value]++
					}
				}
			}
		}
	}
}

func colour(place int) string {
	c := chart.Colour(place)
	return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B)
}

// inLegend is one dot for each contestant that has any.
const inLegend = 1

func TestBoot(t *testing.T) {
	const rounds = 4
	svg, err := chart.Boot(results(rounds))
	if err != nil {
		t.Fatal(err)
	}
	got, milestones := look(t, svg), len(measure.Compared())
	for place := range 2 {
		if n, want := got.dots[colour(place)], rounds*milestones+inLegend; n != want {
			t.Errorf("contestant %d has %d dots, want %d", place, n, want)
		}
		if n := got.lines[colour(place)]; n != milestones {
			t.Errorf("contestant %d has %d medians, want %d", place, n, milestones)
		}
	}
	if n := got.dots[colour(2)]; n != 0 {
		t.Errorf("who was not measured has %d dots", n)
	}
	for _, text := range []string{"by <hand>", "our engine", "seconds", "first HTTPS answer", "leader", "all voters", "clients ready", "removed"} {
		if !strings.Contains(got.text, text) {
			t.Errorf("the chart does not say %q", text)
		}
	}
	if strings.Contains(got.text, "absent") {
		t.Error("the legend has who was not measured")
	}
}

func TestSize(t *testing.T) {
	svg, err := chart.Size(results(1))
	if err != nil {
		t.Fatal(err)
	}
	got := look(t, svg)
	for place := range 2 {
		if n, want := got.dots[colour(place)], 3+inLegend; n != want {
			t.Errorf("contestant %d has %d dots, want %d", place, n, want)
		}
		if n := got.lines[colour(place)]; n != 1 {
			t.Errorf("contestant %d has %d lines, want the fitted one", place, n)
		}
	}
}

func TestNothingToDraw(t *testing.T) {
	r := measure.Results{Contestants: results(1).Contestants}
	for name, draw := range map[string]func(measure.Results) ([]byte, error){"boot": chart.Boot, "size": chart.Size} {
		if svg, err := draw(r); !errors.Is(err, chart.ErrEmpty) || svg != nil {
			t.Errorf("%s: got %d bytes, %v: want none, and ErrEmpty", name, len(svg), err)
		}
	}
}

// TestColoursDiffer: a contestant is told from another by nothing else.
func TestColoursDiffer(t *testing.T) {
	seen := map[string]bool{}
	for place := range 4 {
		if c := colour(place); seen[c] {
			t.Errorf("%s is used twice", c)
		} else {
			seen[c] = true
		}
	}
}
