package agentconf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Set returns the files with the setting changed, so that its merged value is the given one, a literal of HCL such as
// false, "0s" or ["a", "b"]. The value is changed at every place of the setting. A list that has several places is
// emptied at all but one, because Nomad would join them. A setting without a place is added to the last block that it
// belongs to, or to the last file. All other bytes stay. f is not changed.
//
// Set returns an error for an invalid path or value, for the path of a labelled block, for no files, for a file that
// cannot be read, and if the value cannot be set without changing something else.
func (f Files) Set(path, value string) (Files, error) {
	out, err := f.set(path, value, "")
	if err != nil {
		return nil, fmt.Errorf("set %s: %w", path, err)
	}
	return out, nil
}

// Remove returns the files without the setting: a line, or all blocks of that path, also those with a label. A comment
// behind a line is removed with it. All other bytes stay. f is not changed. The errors are those of Set, and that of a
// setting without a place.
func (f Files) Remove(path string) (Files, error) {
	out, err := f.remove(path, "")
	if err != nil {
		return nil, fmt.Errorf("take out %s: %w", path, err)
	}
	return out, nil
}

func (f Files) set(path, written, note string) (Files, error) {
	names, err := parseSetting(path)
	if err != nil {
		return nil, err
	}
	v, err := parseLiteral(written)
	if err != nil {
		return nil, err
	}
	if len(f) == 0 {
		return nil, errors.New("there is no file to write it into")
	}
	if f, err = f.completed(names, note); err != nil {
		return nil, err
	}
	out, err := f.put(names, v, note)
	if err == nil {
		err = f.checkMerged(out, names)
	}
	return out, err
}

// put sets the value and checks that nothing else was changed.
func (f Files) put(names []string, v newValue, note string) (Files, error) {
	out := slices.Clone(f)
	for i := range out {
		if err := out[i].setAll(names, v, note); err != nil {
			return nil, err
		}
	}
	trees, err := out.trees()
	if err != nil {
		return nil, err
	}
	q := queryOf(names)
	if !slices.ContainsFunc(counting(trees, q), func(p []place) bool { return len(p) > 0 }) {
		err = out.add(trees, names, v, note)
	} else if v.kind == isList {
		err = out.emptyOthers(names)
	}
	if err == nil {
		err = f.checkSet(out, names, v)
	}
	return out, err
}

// completed returns the files with what Nomad's defaults say in a block that the setting is in, where that block stands
// nowhere. A new block alone would change them: of these two Nomad takes what they do not say for zero
// (nomad/structs/config/ui.go, Merge, and command/agent/config.go:2657).
func (f Files) completed(names []string, note string) (Files, error) {
	for _, block := range []struct {
		path  string
		lines [][2]string
	}{
		{"ui", [][2]string{{"enabled", "true"}}},
		{"server.search", [][2]string{{"fuzzy_enabled", "true"}, {"limit_query", "20"}, {"limit_results", "100"}, {"min_term_length", "2"}}},
	} {
		within := strings.Split(block.path, ".")
		if len(names) <= len(within) || !queryOf(within).begins(names[:len(within)]) || len(f.Lookup(block.path)) > 0 {
			continue
		}
		for _, l := range block.lines {
			v, err := parseLiteral(l[1])
			if err != nil {
				return nil, err
			}
			if f, err = f.put(append(slices.Clip(within), l[0]), v, note); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// setAll changes the value wherever it stands in one text.
func (f *File) setAll(names []string, v newValue, note string) error {
	for n := 0; ; n++ {
		t, err := f.tree()
		if err != nil {
			return err
		}
		places := t.root.places(queryOf(names))
		if n >= len(places) {
			return nil
		}
		if err := f.changeable(t); err != nil {
			return err
		}
		text, err := t.replace(places[n], v, note)
		if err != nil {
			return f.fail(err)
		}
		*f = f.with(text)
	}
}

// emptyOthers empties a list at all places but the last that counts.
func (f Files) emptyOthers(names []string) error {
	empty, q := newValue{value{kind: isList}, "[]"}, queryOf(names)
	kept := false
	for i := len(f) - 1; i >= 0; i-- {
		t, err := f[i].tree()
		if err != nil {
			return err
		}
		for n := len(t.root.places(q)) - 1; n >= 0; n-- {
			if !kept {
				kept = true
				continue
			}
			text, err := t.replace(t.root.places(q)[n], empty, "")
			if err != nil {
				return f[i].fail(err)
			}
			f[i] = f[i].with(text)
			if t, err = f[i].tree(); err != nil {
				return err
			}
		}
	}
	return nil
}

// add writes the setting into the innermost block on its path that there is, the last of those.
func (f Files) add(trees []*tree, names []string, v newValue, note string) error {
	at, depth := where{len(f) - 1, trees[len(f)-1].root}, 0
	q := queryOf(names)
	whole, last := wholeOf(trees, q)
	for n := len(names) - 1; n > 0 && depth == 0; n-- {
		if n == whole && len(last) > 0 {
			at, depth = last[len(last)-1], n
			break
		}
		for i, t := range trees {
			for _, b := range t.root.bodies(q.to(n)) {
				at, depth = where{i, b}, n
			}
		}
	}
	t, file := trees[at.tree], &f[at.tree]
	if err := file.changeable(t); err != nil {
		return err
	}
	err := obstacle(trees, names)
	if err != nil {
		return file.fail(err)
	}
	text, err := t.add(at.body, names, depth, v, note)
	if err != nil {
		return file.fail(err)
	}
	*file = file.with(text)
	return nil
}

// obstacle returns an error for a path that leads through what is no block.
func obstacle(trees []*tree, names []string) error {
	q := queryOf(names)
	for n := 1; n < len(names); n++ {
		for _, t := range trees {
			for _, p := range t.root.places(q.to(n)) {
				if len(p.item().val.bodies()) == 0 {
					return fmt.Errorf("%s is not a block here, but a line", names[n-1])
				}
			}
		}
	}
	return nil
}

func (f Files) remove(path, note string) (Files, error) {
	names, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	out, found := slices.Clone(f), false
	for i := range out {
		file := &out[i]
		for {
			t, err := file.tree()
			if err != nil {
				return nil, err
			}
			places := t.root.places(queryOf(names))
			if len(places) == 0 {
				break
			}
			if err := file.changeable(t); err != nil {
				return nil, err
			}
			found, *file = true, file.with(t.takeOut(places[len(places)-1], note))
		}
		if err := checkChange(f[i].text, file.text, names); err != nil {
			return nil, file.fail(err)
		}
	}
	if !found {
		trees, err := f.trees()
		if err == nil {
			err = obstacle(trees, names)
		}
		if err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("there is no line %s to take out", names[len(names)-1])
	}
	if err := f.checkMerged(out, names); err != nil {
		return nil, err
	}
	return out, nil
}
