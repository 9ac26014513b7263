package model

import (
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
)

// Empty is a configuration that says nothing, with the blocks that Nomad's defaults have, over which it merges the first file: it
// drops a setting there that its merge does not look at (command/agent/config.go:1711).
func Empty() *Config { return &Config{Client: &ClientConfig{}, Server: &ServerConfig{}} }

// Merge returns the configuration that Nomad has of two, of which b is read later (command/agent/config.go:1853). It changes
// neither. An error wraps ErrPanic.
func Merge(a, b *Config) (out *Config, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			out, err = nil, fmt.Errorf("%w: %v", ErrPanic, fault)
		}
	}()
	return merged(a, b), nil
}

// merged merges two blocks of one kind. Either may be nil.
func merged[T any](a, b *T) *T {
	switch {
	case b == nil:
		return a
	case a == nil:
		return b
	}
	out := *a
	mergeStruct(reflect.ValueOf(&out).Elem(), reflect.ValueOf(b).Elem())
	return &out
}

// rule is what becomes of a field of which two files say something; empty: its kind says it.
type rule string

const (
	byKind   rule = ""
	keep     rule = "keep"     // the earlier counts, as Nomad does not look at the later
	always   rule = "always"   // the later counts, whatever it says
	first    rule = "first"    // the earlier counts, unless it is zero
	set      rule = "set"      // the later counts where it is there, also where it is empty
	positive rule = "positive" // the later counts where it is greater than zero
	onlyTrue rule = "true"     // the later counts where it is true
	added    rule = "append"   // both count, one behind the other
	union    rule = "union"    // both count, each element once
	whole    rule = "whole"    // the later block takes the place of the earlier as a whole
	replace  rule = "replace"  // so does each block of one label
	byName   rule = "name"     // blocks of one name are merged
	plugins  rule = "plugins"  // blocks of one label are merged
	keyrings rule = "keyring"  // blocks of one label and name are merged
)

func ruleOf(f reflect.StructField) rule { return rule(f.Tag.Get("merge")) }

// mergeStruct merges the later block into a copy of the earlier.
func mergeStruct(a, b reflect.Value) {
	for i := range a.NumField() {
		f := a.Type().Field(i)
		if strings.Contains(f.Tag.Get("hcl"), ",unusedKeys") {
			continue
		}
		mergeField(ruleOf(f), a.Field(i), b.Field(i))
	}
}

func mergeField(r rule, a, b reflect.Value) { //nolint:cyclop // a case for each rule
	switch r {
	case keep:
	case always:
		a.Set(b)
	case first:
		if a.IsZero() {
			a.Set(b)
		}
	case set, whole:
		if !b.IsNil() {
			a.Set(b)
		}
	case positive:
		if b.Int() > 0 {
			a.Set(b)
		}
	case onlyTrue:
		if !b.IsNil() && b.Elem().Bool() {
			a.Set(b)
		}
	case added:
		if b.Len() == 0 {
			return
		}
		a.Set(reflect.AppendSlice(clone(a), b))
	case union:
		a.Set(reflect.ValueOf(unionOf(textsOf(a), textsOf(b))))
	case replace, byName, plugins, keyrings:
		mergeBlocks(r, a, b)
	default:
		mergeByKind(a, b)
	}
}

// mergeByKind merges a field by what it is: a text, number or boolean counts where it is not zero, a pointer where it is one,
// a list where it has elements; maps and blocks are merged one by one.
func mergeByKind(a, b reflect.Value) {
	switch {
	case b.Kind() == reflect.Struct:
		mergeStruct(a, b)
	case b.Kind() == reflect.Pointer && b.Type().Elem().Kind() == reflect.Struct:
		switch {
		case b.IsNil():
		case a.IsNil():
			a.Set(b)
		default:
			out := reflect.New(a.Type().Elem())
			out.Elem().Set(a.Elem())
			mergeStruct(out.Elem(), b.Elem())
			a.Set(out)
		}
	case b.Kind() == reflect.Map:
		mergeMap(a, b)
	case b.Kind() == reflect.Slice:
		if b.Len() > 0 {
			a.Set(b)
		}
	case !b.IsZero():
		a.Set(b)
	}
}

func mergeMap(a, b reflect.Value) {
	if b.Len() == 0 {
		return
	}
	out := reflect.MakeMap(a.Type())
	for _, m := range []reflect.Value{a, b} {
		for _, key := range m.MapKeys() {
			out.SetMapIndex(key, m.MapIndex(key))
		}
	}
	a.Set(out)
}

// mergeBlocks merges two lists of blocks with names of their own. Without an earlier one Nomad takes the later as it is, also
// where two of its blocks have one name.
func mergeBlocks(r rule, a, b reflect.Value) {
	switch {
	case b.Len() == 0:
		return
	case a.Len() == 0:
		a.Set(b)
		return
	}
	out := clone(a)
	known := out.Len()
	switch r {
	case plugins: // by a map in Nomad, so that of one label the last counts
		out, b = lastOfEach(out), lastOfEach(b)
		known = out.Len()
	case replace:
	default:
		out, b, known = out.Slice(0, 0), reflect.AppendSlice(clone(a), b), 0
	}
	for i := range b.Len() {
		later := b.Index(i)
		switch at := lastOf(out.Slice(0, known), later); {
		case at < 0:
			out = reflect.Append(out, later)
			if r != replace && r != plugins {
				known++
			}
		case r == replace:
			out.Index(at).Set(later)
		default:
			out.Index(at).Set(mergedBlock(r, out.Index(at), later))
		}
	}
	if r == keyrings {
		blocks, _ := reflect.TypeAssert[[]*KEKProviderConfig](out)
		sort.Slice(blocks, func(i, j int) bool { return blocks[i].id() < blocks[j].id() })
	}
	a.Set(out)
}

// lastOf is where the last block is that Nomad takes for this one. Negative: there is none.
func lastOf(blocks, this reflect.Value) int {
	for i := blocks.Len() - 1; i >= 0; i-- {
		if sameBlock(blocks.Index(i), this) {
			return i
		}
	}
	return -1
}

// mergedBlock merges two blocks of one name.
func mergedBlock(r rule, a, b reflect.Value) reflect.Value {
	out := reflect.New(a.Type().Elem())
	out.Elem().Set(a.Elem())
	if r == plugins { // nomad/structs/config/plugins.go, Merge: the lines of a later config take the place of all earlier ones
		into, _ := reflect.TypeAssert[*PluginConfig](out)
		from, _ := reflect.TypeAssert[*PluginConfig](b)
		if len(from.Args) > 0 {
			into.Args = from.Args
		}
		if len(from.Config) > 0 {
			into.Config = from.Config
		}
		return out
	}
	if k, is := reflect.TypeAssert[*KEKProviderConfig](a); is && k.Config == nil && b.Elem().FieldByName("Config").Len() > 0 {
		panic("assignment to entry in nil map") // nomad/structs/keyring.go:335
	}
	mergeStruct(out.Elem(), b.Elem())
	return out
}

// sameBlock says whether Nomad takes two blocks for one.
func sameBlock(a, b reflect.Value) bool {
	if k, is := reflect.TypeAssert[*KEKProviderConfig](a); is {
		o, _ := reflect.TypeAssert[*KEKProviderConfig](b)
		return k.Provider == o.Provider && k.Name == o.Name
	}
	return a.Elem().FieldByName("Name").String() == b.Elem().FieldByName("Name").String()
}

// lastOfEach are the blocks of which none with the same name follows.
func lastOfEach(v reflect.Value) reflect.Value {
	out := reflect.MakeSlice(v.Type(), 0, v.Len())
	for i := range v.Len() {
		if lastOf(v.Slice(i+1, v.Len()), v.Index(i)) < 0 {
			out = reflect.Append(out, v.Index(i))
		}
	}
	return out
}

// clone is a copy of a list that can be appended to.
func clone(v reflect.Value) reflect.Value {
	return reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v)
}

func textsOf(v reflect.Value) []string {
	out, _ := reflect.TypeAssert[[]string](v)
	return out
}

func unionOf(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
