package agentconf

import "slices"

// place is where something stands: the block that it is in, and which item it is there, counted from 0.
type place struct {
	body  *body
	index int
}

func (p place) item() *item { return p.body.items[p.index] }

// places are all where a line or a block of that path stands.
func (b *body) places(path []string) (out []place) {
	for index, i := range b.items {
		if !isPrefix(i.names, path) {
			continue
		}
		rest := path[len(i.names):]
		if len(rest) == 0 {
			out = append(out, place{b, index})
			continue
		}
		for _, inner := range i.val.bodies() {
			out = append(out, inner.places(rest)...)
		}
	}
	return out
}

// bodies are those of all blocks of that path. Without names, it is the top alone.
func (b *body) bodies(path []string) []*body {
	if len(path) == 0 {
		return []*body{b}
	}
	var out []*body
	for _, p := range b.places(path) {
		out = append(out, p.item().val.bodies()...)
	}
	return out
}

// inside are the names that stand directly in the blocks of that path, or are their labels.
func (b *body) inside(path []string) (out []string) {
	for _, i := range b.items {
		switch {
		case len(path) < len(i.names) && isPrefix(path, i.names):
			out = append(out, i.names[len(path)])
		case isPrefix(i.names, path):
			for _, inner := range i.val.bodies() {
				out = append(out, inner.inside(path[len(i.names):])...)
			}
		}
	}
	return out
}

// counting are the places of a path which count for Nomad when it merges these texts: of some blocks, only the last one.
func counting(trees []*tree, path []string) [][]place {
	out := make([][]place, len(trees))
	whole, last := wholeOf(trees, path)
	for i, t := range trees {
		switch {
		case whole == 0:
			out[i] = t.root.places(path)
		case last.tree == i && last.body != nil:
			out[i] = last.body.places(path[whole:])
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
// last such block, which alone counts: what a plugin is configured with (nomad/structs/config/plugins.go, Merge, which
// leaves out one without anything in it), a host volume (nomad/structs/volumes.go, HostVolumeSliceMerge) and three blocks
// of servers (command/agent/config.go:2651 to :2677). Zero: there is none on the path.
func wholeOf(trees []*tree, path []string) (names int, last where) {
	if names = wholeDepth(path); names == 0 {
		return 0, where{}
	}
	for i, t := range trees {
		for _, b := range t.root.bodies(path[:names]) {
			if last.body == nil || len(b.items) > 0 || !isOneOf(path[:names], "plugin.*.config") {
				last = where{i, b}
			}
		}
	}
	return names, last
}

// wholeDepth is the number of names that wholeOf returns.
func wholeDepth(path []string) int {
	for n := 1; n < len(path); n++ {
		if isOneOf(path[:n], "plugin.*.config", "client.host_volume.*", "server.default_scheduler_config", "server.search", "server.raft_boltdb") {
			return n
		}
	}
	return 0
}

// unique drops what was there before, as same sees it.
func unique(names []string, same func(a, b string) bool) (out []string) {
	for _, n := range names {
		if !slices.ContainsFunc(out, func(o string) bool { return same(o, n) }) {
			out = append(out, n)
		}
	}
	return out
}
