package agentconf

import (
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf/model"
)

// place is the place of an item: the block around it, and its index there.
type place struct {
	body  *body
	index int
}

func (p place) item() *item { return p.body.items[p.index] }

// query is a path to look for.
type query struct {
	names []string
	// exact has for each name whether its case counts: it does for labels and for keys of maps, not for settings.
	exact []bool
}

// queryOf returns the query of a path. If Nomad does not know the path, no case counts.
func queryOf(names []string) query {
	q := query{names, make([]bool, len(names))}
	if s, known := model.Find(names); known {
		q.exact = s.Exact
	}
	return q
}

// begins reports whether the path begins with these names.
func (q query) begins(names []string) bool {
	if len(names) > len(q.names) {
		return false
	}
	for i, n := range names {
		if n != q.names[i] && (q.exact[i] || !strings.EqualFold(n, q.names[i])) {
			return false
		}
	}
	return true
}

// from returns the path without its first n names.
func (q query) from(n int) query { return query{q.names[n:], q.exact[n:]} }

// to returns the first n names of the path.
func (q query) to(n int) query { return query{q.names[:n], q.exact[:n]} }

// leadsTo reports whether the names are those of the path, or below it.
func (q query) leadsTo(names []string) bool {
	return len(names) >= len(q.names) && q.begins(names[:len(q.names)])
}

// concerns says whether a change at the path is one of what these names lead to: of itself, of what is in it, or of whether a
// block around it is there.
func (q query) concerns(names []string) bool { return q.leadsTo(names) || q.begins(names) }

// places returns all places of that path.
func (b *body) places(q query) (out []place) {
	for index, i := range b.items {
		if !q.begins(i.names) {
			continue
		}
		rest := q.from(len(i.names))
		if len(rest.names) == 0 {
			out = append(out, place{b, index})
			continue
		}
		for _, inner := range i.val.bodies() {
			out = append(out, inner.places(rest)...)
		}
	}
	return out
}

// bodies returns the blocks of that path. The empty path is the block itself.
func (b *body) bodies(q query) []*body {
	if len(q.names) == 0 {
		return []*body{b}
	}
	var out []*body
	for _, p := range b.places(q) {
		out = append(out, p.item().val.bodies()...)
	}
	return out
}

// inside returns the names, or labels, directly in the blocks of that path.
func (b *body) inside(q query) (out []string) {
	for _, i := range b.items {
		switch {
		case len(q.names) < len(i.names) && q.leadsTo(i.names):
			out = append(out, i.names[len(q.names)])
		case q.begins(i.names):
			for _, inner := range i.val.bodies() {
				out = append(out, inner.inside(q.from(len(i.names)))...)
			}
		}
	}
	return out
}

// counting returns the places of a path that count when Nomad merges the texts: of some blocks, only the last does.
func counting(trees []*tree, q query) [][]place {
	out := make([][]place, len(trees))
	n, last := wholeOf(trees, q)
	for i, t := range trees {
		if n == 0 {
			out[i] = t.root.places(q)
			continue
		}
		for _, w := range last {
			if w.tree == i {
				out[i] = append(out[i], w.body.places(q.from(n))...)
			}
		}
	}
	return out
}

// where is a block in one of several texts.
type where struct {
	tree int
	body *body
}

// wholeOf returns how many names of the path lead to a block that Nomad replaces by a later one as a whole, and the
// blocks of that path that count: those of the last file that has them. Zero: there is no such block.
//
// Of the blocks of one label in one file the last counts. The config of a plugin may be in several blocks of one plugin
// block, which are one to Nomad; empty ones are passed over (nomad/structs/config/plugins.go).
func wholeOf(trees []*tree, q query) (names int, last []where) {
	s, _ := model.Find(q.names)
	names = s.WholeAt()
	if names == 0 || names == len(q.names) {
		return 0, nil
	}
	label := labelAt(q.names[:names])
	for i, t := range trees {
		from := []*body{t.root}
		if label > 0 {
			from = t.root.bodies(q.to(label))
			from = from[max(0, len(from)-1):]
		}
		var found []where
		for _, f := range from {
			for _, b := range f.bodies(q.to(names).from(label)) {
				found = append(found, where{i, b})
			}
		}
		passedOver := label > 0 && label < names && !slices.ContainsFunc(found, func(w where) bool { return len(w.body.items) > 0 })
		if len(found) > 0 && (len(last) == 0 || !passedOver) {
			last = found
		}
	}
	return names, last
}

// labelAt returns the number of names up to the last label on the path; zero if there is none.
func labelAt(names []string) int {
	for n := len(names); n > 0; n-- {
		if labelled(names[:n-1]) {
			return n
		}
	}
	return 0
}

// unique returns the names without repetitions, as same compares them.
func unique(names []string, same func(a, b string) bool) (out []string) {
	for _, n := range names {
		if !slices.ContainsFunc(out, func(o string) bool { return same(o, n) }) {
			out = append(out, n)
		}
	}
	return out
}
