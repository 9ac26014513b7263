package model

import (
	"reflect"
	"slices"
	"strings"
)

// Any stands in a path of Paths where a label or a key of a map stands in a file.
const Any = "*"

// Paths are the settings that Nomad reads, in the order of its structs. A block is not among them, only what stands in it; Any
// stands for what a file may choose: a label, the key of a map, what a plugin's or a keyring's block may have besides.
func Paths() [][]string { return pathsOf(nil, reflect.TypeFor[Config]()) }

func pathsOf(path []string, t reflect.Type) (out [][]string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Map:
		return [][]string{below(path, Any)}
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Pointer:
		if isLabelled(t) {
			path = below(path, Any)
		}
		return pathsOf(path, t.Elem().Elem())
	case t.Kind() != reflect.Struct:
		return [][]string{path}
	}
	for f := range t.Fields() {
		if tag := nameOf(f); tag != "" && tag != "-" {
			out = append(out, pathsOf(below(path, tag), f.Type)...)
		}
	}
	if t == reflect.TypeFor[KEKProviderConfig]() {
		out = append(out, below(path, Any))
	}
	return out
}

// below is the path of what stands in a block.
func below(path []string, name string) []string { return append(slices.Clip(path), name) }

// Shown says how an agent shows a setting at /v1/agent/self.
type Shown string

// The ways. What is redacted there is not known by the structs.
const (
	// ShownAsSet is a value as the files have it.
	ShownAsSet Shown = "as set"
	// ShownAsNumber is a duration, in nanoseconds, whatever the text in the file was.
	ShownAsNumber Shown = "in nanoseconds"
	// NotShown is a value that is left out.
	NotShown Shown = "hidden"
)

// ShownOf says how a setting of Paths is shown; ok is false for one that is none of them.
func ShownOf(path []string) (shown Shown, ok bool) {
	shown = ShownAsSet
	t := reflect.TypeFor[Config]()
	for n := 0; n < len(path); n++ {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Pointer {
			if isLabelled(t) {
				n++
			}
			t = t.Elem()
		}
		if n == len(path) {
			return "", false
		}
		switch {
		case t.Kind() == reflect.Map:
			return shown, n == len(path)-1
		case t.Kind() != reflect.Struct:
			return "", false
		}
		f, known := fieldOf(t, path[n])
		if !known {
			return "", false
		}
		if len(f.Index) == 0 { // of a keyring, whose Config is hidden
			return NotShown, true
		}
		if plain, is := strings.CutSuffix(f.Name, "HCL"); is {
			if _, has := t.FieldByName(plain); has {
				return ShownAsNumber, true
			}
		}
		if f.Tag.Get("json") == "-" {
			shown = NotShown
		}
		t = f.Type
	}
	return shown, true
}
