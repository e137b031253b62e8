package main

import (
	"errors"
	"image/color"
	"math"
	"os"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	plotWidth   = 20 * vg.Centimeter
	rowHeight   = 0.6 * vg.Centimeter
	frameHeight = 2.5 * vg.Centimeter // what a table's title and axis need
	margin      = 0.4 * vg.Centimeter
)

var (
	ownColor  = color.RGBA{R: 0x1f, G: 0x5f, B: 0xbf, A: 0xff}
	peerColor = color.RGBA{R: 0x77, G: 0x77, B: 0x77, A: 0xff}
)

func (t *table) height() vg.Length { return frameHeight + rowHeight*vg.Length(len(t.rows)) }

// plot draws the tables one below the other: a dot is a median, a whisker goes
// from quartile to quartile.
func (r *report) plot(path string) error {
	var height vg.Length
	for _, t := range r.tables {
		height += t.height()
	}
	plot.DefaultFont.Variant = "Sans"
	canvas := vgsvg.New(plotWidth, height)
	all := draw.New(canvas)
	for _, t := range r.tables {
		p, err := t.plot()
		if err != nil {
			return err
		}
		p.Draw(draw.Crop(all, margin, -2*margin, height-t.height()+margin, height-margin/2-all.Max.Y))
		height -= t.height()
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func (t *table) plot() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = t.title
	p.Title.Padding = margin / 2
	p.X.Label.Text = t.unit
	own, peers := dots{color: ownColor}, dots{color: peerColor}
	var names []string
	for i, r := range slices.Backward(t.rows) {
		names = append(names, r.name)
		d := &peers
		if isOwn(r.name) {
			d = &own
		}
		d.add(spreadOf(r.rounds), len(t.rows)-1-i)
	}
	p.NominalY(names...)
	if err := errors.Join(own.draw(p), peers.draw(p)); err != nil {
		return nil, err
	}
	p.Y.Min, p.Y.Max = -0.5, float64(len(names))-0.5
	fitScale(&p.X)
	return p, nil
}

// isOwn reports whether a row is of this project.
func isOwn(name string) bool {
	return strings.HasPrefix(name, "FileLock") || strings.HasPrefix(name, "SoftFileLock")
}

// fitScale makes room for labels, and the scale logarithmic if there is much
// between the least and the most.
func fitScale(x *plot.Axis) {
	if x.Min > 0 && x.Max/x.Min > 20 {
		x.Scale, x.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		x.Min, x.Max = x.Min/1.5, x.Max*2
		return
	}
	x.Min = 0
	x.Max = max(x.Max*1.1, math.SmallestNonzeroFloat32)
}

// dots are medians in one colour.
type dots struct {
	plotter.XYs
	plotter.XErrors
	labels []string
	color  color.Color
}

func (d *dots) add(s spread, y int) {
	d.XYs = append(d.XYs, plotter.XY{X: s.Median, Y: float64(y)})
	d.XErrors = append(d.XErrors, struct{ Low, High float64 }{s.Median - s.Low, s.High - s.Median})
	d.labels = append(d.labels, short(s.Median))
}

func (d *dots) draw(p *plot.Plot) error {
	if len(d.labels) == 0 {
		return nil
	}
	scatter, err1 := plotter.NewScatter(d.XYs)
	whiskers, err2 := plotter.NewXErrorBars(d)
	labels, err3 := plotter.NewLabels(plotter.XYLabels{XYs: d.XYs, Labels: d.labels})
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	scatter.GlyphStyle = draw.GlyphStyle{Color: d.color, Radius: vg.Points(3), Shape: draw.CircleGlyph{}}
	whiskers.Color = d.color
	labels.Offset = vg.Point{Y: vg.Points(3)}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Font = p.X.Tick.Label.Font
	}
	p.Add(scatter, whiskers, labels)
	return nil
}
