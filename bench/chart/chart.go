// Package chart draws what a benchmark run has measured, as SVG.
package chart

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// ErrEmpty is returned when there is nothing to draw.
var ErrEmpty = errors.New("nothing was measured that this chart shows")

const (
	width  = 22 * vg.Centimeter
	height = 11 * vg.Centimeter
	// radius is that of one measurement's dot.
	radius = vg.Length(2.2)
)

// Colour is that of the contestant at a place of the list. The colours can be told apart by those who see few.
func Colour(place int) color.RGBA {
	palette := []color.RGBA{
		{R: 0x99, G: 0x99, B: 0x99, A: 255}, {R: 0x00, G: 0x72, B: 0xb2, A: 255},
		{R: 0x5a, G: 0x4a, B: 0x42, A: 255}, {R: 0xd5, G: 0x5e, B: 0x00, A: 255},
	}
	return palette[place%len(palette)]
}

// dot is one measurement of the contestant at that place.
func dot(place int) draw.GlyphStyle {
	return draw.GlyphStyle{Color: Colour(place), Radius: radius, Shape: draw.CircleGlyph{}}
}

func newPlot(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = vg.Points(6)
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(8), vg.Points(-4)
	p.Legend.Padding = vg.Points(2)
	p.BackgroundColor = color.White
	for _, style := range []*text.Style{
		&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle,
	} {
		style.Font.Variant = "Sans"
	}
	return p
}

func render(p *plot.Plot) ([]byte, error) {
	canvas := vgsvg.New(width, height)
	p.Draw(draw.Crop(draw.New(canvas), vg.Points(8), -vg.Points(8), vg.Points(8), -vg.Points(8)))
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("write the chart: %w", err)
	}
	// Few readers have the font that the text was measured with; these are of the same width.
	return bytes.ReplaceAll(out.Bytes(), []byte("Liberation Sans"), []byte("Liberation Sans, Arial, Helvetica, sans-serif")), nil
}
