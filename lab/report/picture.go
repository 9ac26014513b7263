package report

import (
	"slices"

	"nomadlab.internal/lab/finding"
)

// picture is the cluster as a drawing: a box for each agent, lines of gossip that connect the servers, and lines of RPC
// that connect all agents. Class is the kind of screen that it is for. All measures are in the drawing's own units.
type picture struct {
	Class         string
	Width, Height int
	Agents        []agentBox
	Lines         []line
	Padlocks      []padlock
	Labels        []label
}

type agentBox struct {
	X, Y, Width, Height int
	Name, Role, Address string
	Leader              bool
	Padlocks            []padlock
}

// padlock shows the result of the checks of a plane: shut if all pass, open if one fails, a question mark if it is
// inconclusive. It shows neither what was not checked nor the matrix.
type padlock struct {
	X, Y, Width          int
	Plane, Result, Words string
}

type line struct {
	Class          string
	X1, Y1, X2, Y2 int
}

type label struct {
	X, Y int
	Text string
}

// Measures of the drawing.
const (
	boxWidth, boxHeight = 172, 112
	gap, spine          = 18, 64
	padlockWidth        = 74
	// gossipSpine and rpcSpine are where the lines that join the rows are.
	gossipSpine, rpcSpine = 14, 42
)

// pictures returns a drawing for wide screens and one for narrow ones. It returns none if no agent is known.
func (v view) pictures() []picture {
	if len(v.Cluster.Nodes) == 0 {
		return nil
	}
	return []picture{v.draw("wide", 5), v.draw("narrow", 2)}
}

// draw places the agents in rows of so many columns, by region, servers first.
func (v view) draw(class string, columns int) picture {
	d := &drawing{view: v, columns: columns, picture: picture{Class: class}}
	widest := 1
	for _, region := range groupBy(v.Cluster.Nodes, func(n finding.Node) string { return n.Region }) {
		isServer := func(n finding.Node) bool { return n.Role == "server" }
		servers := slices.DeleteFunc(slices.Clone(region.Items), func(n finding.Node) bool { return !isServer(n) })
		others := slices.DeleteFunc(region.Items, isServer)
		widest = max(widest, len(servers), len(others))
		d.region(region.Key, servers, others)
	}
	d.spines()
	d.Width, d.Height = spine+min(columns, widest)*(boxWidth+gap), d.y+4
	return d.picture
}

// drawing is a picture that has been drawn down to y.
type drawing struct {
	picture
	view          view
	columns, y    int
	gossip, rpc   []int
	rpcAt         int
	sharesRPCLine bool
}

func (d *drawing) region(name string, servers, others []finding.Node) {
	if name != "" {
		d.y += 16
		d.Labels = append(d.Labels, label{spine, d.y, "region " + cut(name, 30)})
		d.y += 10
	}
	d.sharesRPCLine = false
	for row := range slices.Chunk(servers, d.columns) {
		d.servers(row)
	}
	for row := range slices.Chunk(others, d.columns) {
		d.others(row)
	}
	d.y += gap
}

// servers draws a row of servers between its line of gossip and its line of RPC.
func (d *drawing) servers(row []finding.Node) {
	d.y += gap
	d.bus("gossip", d.y, len(row), d.y, d.y+gap)
	d.gossip = append(d.gossip, d.y)
	d.y += gap
	d.boxes(row)
	d.rpcAt = d.y + gap
	d.bus("rpc", d.rpcAt, len(row), d.y, d.rpcAt)
	d.rpc = append(d.rpc, d.rpcAt)
	d.y, d.sharesRPCLine = d.rpcAt, true
}

// others draws a row of other agents below a line of RPC. The first row shares that of the servers.
func (d *drawing) others(row []finding.Node) {
	if !d.sharesRPCLine {
		d.y += gap
		d.rpcAt = d.y
		d.rpc = append(d.rpc, d.rpcAt)
	}
	d.bus("rpc", d.rpcAt, len(row), d.rpcAt, d.rpcAt+gap)
	d.y, d.sharesRPCLine = d.rpcAt+gap, false
	d.boxes(row)
}

// bus draws a line from the spine to the last of n boxes, and a tick from y1 to y2 at each box.
func (d *drawing) bus(class string, y, n, y1, y2 int) {
	at := map[string]int{"gossip": gossipSpine, "rpc": rpcSpine}[class]
	d.Lines = append(d.Lines, line{class, at, y, center(n - 1), y})
	for i := range n {
		d.Lines = append(d.Lines, line{class, center(i), y1, center(i), y2})
	}
}

func center(i int) int { return spine + i*(boxWidth+gap) + boxWidth/2 }

// boxes draws a row of agents. Each has room for the padlocks of four planes.
func (d *drawing) boxes(row []finding.Node) {
	for i, n := range row {
		b := agentBox{
			X: spine + i*(boxWidth+gap), Y: d.y, Width: boxWidth, Height: boxHeight,
			Name: cut(n.Name, 19), Role: n.Role, Address: cut(n.Address, 22), Leader: n.Leader,
		}
		if n.Leader {
			b.Role = "leader"
		}
		if n.State != "" {
			b.Role = cut(b.Role+", "+n.State, 24)
		}
		for _, p := range d.view.Planes {
			s := countsAt(p, n.Name)
			if j := len(b.Padlocks); s.Total() > 0 && j < 4 && hasEndpoint(p.Name) {
				b.Padlocks = append(b.Padlocks, newPadlock(p.Name, s, b.X+10+j%2*(padlockWidth+4), b.Y+62+j/2*23))
			}
		}
		d.Agents = append(d.Agents, b)
	}
	d.y += boxHeight
}

// spines joins the lines of all rows, and draws the padlocks of gossip and RPC on them.
func (d *drawing) spines() {
	for _, s := range []struct {
		class, plane string
		x            int
		rows         []int
	}{{"gossip", "gossip", gossipSpine, d.gossip}, {"rpc", "RPC", rpcSpine, d.rpc}} {
		if len(s.rows) == 0 {
			continue
		}
		first, last := s.rows[0], s.rows[len(s.rows)-1]
		if first != last {
			d.Lines = append(d.Lines, line{s.class, s.x, first, s.x, last})
		}
		for _, p := range d.view.Planes {
			if p.Name == s.plane {
				d.Padlocks = append(d.Padlocks, newPadlock(p.Name, p.Counts, s.x, first))
			}
		}
	}
}

// hasEndpoint reports whether agents have an endpoint of the plane. What is captured on the network has none, nor has the
// cluster that agents form.
func hasEndpoint(plane string) bool { return plane != "network" && plane != "cluster" }

// countsAt counts the results of a plane at one agent, without those that were skipped.
func countsAt(p plane, node string) finding.Summary {
	var s finding.Summary
	for _, c := range p.Checks {
		for _, f := range c.At {
			if f.Node == node && f.Result != finding.Skipped {
				s = s.With(f.Result)
			}
		}
	}
	return s
}

func newPadlock(plane string, s finding.Summary, x, y int) padlock {
	return padlock{
		X: x, Y: y, Width: padlockWidth, Plane: cut(plane, 8), Result: string(resultOf(s)), Words: plane + ": " + counts(s),
	}
}
