package report

import (
	"slices"

	"nomadlab.internal/lab/finding"
)

// picture is the cluster as a drawing: a box for each agent, a line for gossip that the servers hang on, and one for RPC
// that all hang on. Class says for which screens it is meant; all measures are in the drawing's own units.
type picture struct {
	Class         string
	Width, Height int
	Boxes         []box
	Lines         []line
	Locks         []placedLock
	Labels        []label
}

type box struct {
	X, Y, Width, Height int
	Name, Role, Address string
	Leader              bool
	Endpoints           []endpoint
}

// door is one plane of one agent.
type endpoint struct {
	X, Y, Width int
	lock
}

type line struct {
	Class          string
	X1, Y1, X2, Y2 int
}

type label struct {
	X, Y int
	Text string
}

// lock says of a plane whether its checks held: it is shut when all did, open when one is broken, and unknown
// when nothing was proved. It says nothing of what was not checked, nor of the matrix.
type lock struct{ Plane, Class, Words string }

type placedLock struct {
	X, Y int
	lock
}

// Measures of the drawing.
const (
	boxWidth, boxHeight = 172, 112
	gap, spine          = 18, 64
	doorWidth           = 74
	// Where the spines of gossip and of RPC are.
	gossipSpine, rpcSpine = 14, 42
)

// pictures are the drawing for wide screens and the one for narrow screens; none where no agent is known.
func (v view) pictures() []picture {
	if len(v.report.Cluster.Nodes) == 0 {
		return nil
	}
	return []picture{v.draw("wide", 5), v.draw("narrow", 2)}
}

// draw lays the agents out, so many in a row, region by region, servers first.
func (v view) draw(class string, columns int) picture {
	d := &drawing{view: v, columns: columns, picture: picture{Class: class, Width: spine + min(columns, v.widest())*(boxWidth+gap)}}
	for _, region := range regions(v.report.Cluster.Nodes) {
		d.region(region)
	}
	d.spines()
	d.Height = d.y + 4
	return d.picture
}

// drawing is a picture while it is drawn, from the top down to y.
type drawing struct {
	picture
	view          view
	columns, y    int
	gossip, rpc   []int
	rpcAt         int
	sharesRPCLine bool
}

func (d *drawing) region(name string) {
	if name != "" {
		d.y += 16
		d.Labels = append(d.Labels, label{spine, d.y, "region " + cut(name, 30)})
		d.y += 10
	}
	var servers, others []finding.Node
	for _, n := range d.view.report.Cluster.Nodes {
		switch {
		case n.Region != name:
		case n.Role == "server":
			servers = append(servers, n)
		default:
			others = append(others, n)
		}
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
	d.y += boxHeight
	d.rpcAt = d.y + gap
	d.bus("rpc", d.rpcAt, len(row), d.y, d.rpcAt)
	d.rpc = append(d.rpc, d.rpcAt)
	d.y, d.sharesRPCLine = d.rpcAt, true
}

// others draws a row of agents that are no servers, below a line of RPC: that of the servers, for the first row.
func (d *drawing) others(row []finding.Node) {
	if !d.sharesRPCLine {
		d.y += gap
		d.rpcAt = d.y
		d.rpc = append(d.rpc, d.rpcAt)
	}
	d.bus("rpc", d.rpcAt, len(row), d.rpcAt, d.rpcAt+gap)
	d.y, d.sharesRPCLine = d.rpcAt+gap, false
	d.boxes(row)
	d.y += boxHeight
}

// bus draws a line from the spine to the last of n boxes, and a tick from y1 to y2 at each.
func (d *drawing) bus(class string, y, n, y1, y2 int) {
	at := map[string]int{"gossip": gossipSpine, "rpc": rpcSpine}[class]
	d.Lines = append(d.Lines, line{class, at, y, center(n - 1), y})
	for i := range n {
		d.Lines = append(d.Lines, line{class, center(i), y1, center(i), y2})
	}
}

func center(i int) int { return spine + i*(boxWidth+gap) + boxWidth/2 }

func (d *drawing) boxes(row []finding.Node) {
	for i, n := range row {
		b := box{
			X: spine + i*(boxWidth+gap), Y: d.y, Width: boxWidth, Height: boxHeight,
			Name: cut(n.Name, 19), Role: n.Role, Address: cut(n.Address, 22), Leader: n.Leader,
		}
		if n.Leader {
			b.Role = "leader"
		}
		if n.State != "" {
			b.Role = cut(b.Role+", "+n.State, 24)
		}
		for j, l := range d.view.locksAt(n.Name) {
			b.Endpoints = append(b.Endpoints, endpoint{X: b.X + 10 + j%2*(doorWidth+4), Y: b.Y + 62 + j/2*23, Width: doorWidth, lock: l})
		}
		d.Boxes = append(d.Boxes, b)
	}
}

// spines join the lines of all rows, and bear the locks of all that runs over them.
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
		for _, l := range d.view.locks() {
			if l.Plane == s.plane {
				d.Locks = append(d.Locks, placedLock{s.x, first, l})
			}
		}
	}
}
