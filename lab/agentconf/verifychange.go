package agentconf

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"

	"nomadlab.internal/lab/agentconf/model"
)

// leaf is a setting as HCL 1 reads it.
type leaf struct {
	path  []string
	value string
}

// leaves returns all settings of a text in their order, read by HCL 1 itself, so that a change is verified by other code
// than made it.
func leaves(text []byte) ([]leaf, error) {
	if _, err := parse(text); err != nil {
		return nil, err
	}
	file, err := hcl.ParseBytes(text)
	if err != nil {
		return nil, err
	}
	top, _ := file.Node.(*ast.ObjectList)
	return leavesOf(top, nil), nil
}

func leavesOf(from *ast.ObjectList, path []string) (out []leaf) {
	for _, i := range from.Items {
		at := slices.Clone(path)
		for _, k := range i.Keys {
			at = append(at, nameOf(k.Token))
		}
		out = append(out, leavesOfValue(i.Val, at)...)
	}
	return out
}

// leavesOfValue returns the leaves of a line or a block. An empty block is a leaf.
func leavesOfValue(node ast.Node, at []string) []leaf {
	switch n := node.(type) {
	case *ast.ObjectType:
		if len(n.List.Items) > 0 {
			return leavesOf(n.List, at)
		}
		return []leaf{{at, "{}"}}
	case *ast.ListType:
		if out, are := leavesOfBlocks(n, at); are {
			return out
		}
	}
	return []leaf{{at, canonical(node)}}
}

// leavesOfBlocks returns the leaves of a list that contains only blocks, which HCL 1 reads as blocks of one name in JSON.
func leavesOfBlocks(n *ast.ListType, at []string) (out []leaf, are bool) {
	for _, e := range n.List {
		o, is := e.(*ast.ObjectType)
		if !is {
			return nil, false
		}
		out = append(out, leavesOfValue(o, at)...)
	}
	return out, len(n.List) > 0
}

// unrelated returns the leaves that a change at the path must not touch: all but those at or below it, and empty blocks
// around it.
func unrelated(all []leaf, q query) []leaf {
	return slices.DeleteFunc(slices.Clone(all), func(l leaf) bool {
		return q.leadsTo(l.path) || (l.value == "{}" && q.begins(l.path))
	})
}

// checkChange returns an error if a change touched anything that is not at the path.
func checkChange(before, after []byte, path []string) error {
	was, err := leaves(before)
	if err != nil {
		return err
	}
	is, err := leaves(after)
	if err != nil {
		return fmt.Errorf("the text cannot be changed there: afterwards Nomad could not read it: %w", err)
	}
	same := func(a, b leaf) bool { return a.value == b.value && slices.Equal(a.path, b.path) }
	if q := queryOf(path); !slices.EqualFunc(unrelated(was, q), unrelated(is, q), same) {
		return fmt.Errorf("the text cannot be changed there without changing other settings")
	}
	return nil
}

// checkSet returns an error unless the value is at each place of the path, and nothing else has changed. A list may be
// set at one place only if Nomad joins its places.
func (f Files) checkSet(out Files, names []string, v newValue) error {
	want, err := leaves([]byte("v = " + v.written + "\n"))
	if err != nil {
		return err
	}
	places := 0
	for i := range out {
		if err := checkChange(f[i].text, out[i].text, names); err != nil {
			return out[i].fail(err)
		}
		all, err := leaves(out[i].text)
		if err != nil {
			return out[i].fail(err)
		}
		n, is := copies(all, queryOf(names), want, v.kind == isList)
		if !is {
			return out[i].fail(errors.New("the value cannot be set there: it would be another one"))
		}
		places += n
	}
	switch {
	case places == 0 && (v.kind != isList || len(v.list) > 0):
		return errors.New("the value cannot be set there: it would be nowhere")
	case places > 1 && v.kind == isList && !isWhole(names):
		return errors.New("the list cannot be set there: Nomad would append it to itself")
	}
	return nil
}

// copies counts how often the wanted value is at the path, and reports whether nothing else is there. If emptyIsNothing
// is true, empty lists do not count.
func copies(all []leaf, q query, want []leaf, emptyIsNothing bool) (n int, alone bool) {
	here := slices.DeleteFunc(all, func(l leaf) bool {
		return !q.leadsTo(l.path) || (emptyIsNothing && l.value == "[]")
	})
	same := func(is, w leaf) bool {
		return is.value == w.value && slices.Equal(is.path[len(q.names):], w.path[1:])
	}
	for ; len(here) > 0; here = here[len(want):] {
		if len(here) < len(want) || !slices.EqualFunc(here[:len(want)], want, same) {
			return n, false
		}
		n++
	}
	return n, true
}

// isWhole reports whether Nomad replaces a block around the setting by a later one as a whole.
func isWhole(names []string) bool {
	s, _ := model.Find(names)
	return s.WholeAt() > 0
}

// checkMerged returns an error if the change altered another setting in the merged configuration. Files that Nomad
// refuses before the change are not checked.
func (f Files) checkMerged(out Files, names []string) error {
	was, err := f.merged()
	if err != nil {
		return nil //nolint:nilerr // they are no agent's
	}
	is, err := out.merged()
	if err != nil {
		return fmt.Errorf("the text cannot be changed there: afterwards %w", err)
	}
	q := queryOf(names)
	others := func(c *model.Config) []model.Leaf {
		return slices.DeleteFunc(c.Leaves(), func(l model.Leaf) bool { return q.concerns(l.Path) })
	}
	same := func(a, b model.Leaf) bool { return a.Value == b.Value && slices.Equal(a.Path, b.Path) }
	if a, b := others(was), others(is); !slices.EqualFunc(a, b, same) {
		return fmt.Errorf("the text cannot be changed there without changing other settings: Nomad would have %s", difference(a, b))
	}
	return nil
}

// difference names the first leaf that only one side has.
func difference(a, b []model.Leaf) string {
	for i, l := range b {
		if i >= len(a) || a[i].Value != l.Value || !slices.Equal(a[i].Path, l.Path) {
			return Path(l.Path...) + " otherwise"
		}
	}
	return "no " + Path(a[len(b)].Path...)
}
