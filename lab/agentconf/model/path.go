package model

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one that Nomad knows.
type Setting struct {
	// Type is what it decodes into.
	Type reflect.Type
	// Exact says of each name of the path whether its case counts, as in a label and in the key of a map.
	Exact []bool
	// Labelled says whether it is a block with a label, which the path does not have yet.
	Labelled bool
	// rule is that of the setting, and wholeAt the number of names that lead to the innermost block around it which a later one
	// replaces as a whole. Zero: there is none.
	rule    rule
	wholeAt int
}

// Appended says whether Nomad appends the list of a later file to that of the ones before.
func (s Setting) Appended() bool { return s.rule == added || s.rule == union }

// Latest says whether the last file counts that has the setting, whatever it says.
func (s Setting) Latest() bool {
	return s.rule == always || s.rule == set || s.rule == byKind && s.Type.Kind() == reflect.Pointer && s.Type.Elem().Kind() != reflect.Struct
}

// IsMap reports whether the setting is a map, whose names are the user's own and count as they are written.
func (s Setting) IsMap() bool { return s.Type != nil && s.Type.Kind() == reflect.Map }

// WholeAt is the number of names that lead to the innermost block around the setting which Nomad replaces by a later one as a
// whole. Zero: there is none.
func (s Setting) WholeAt() int { return s.wholeAt }

// Find returns the setting of a path, or false for one that Nomad does not know. What stands in a plugin's config, which is
// the plugin's to know, is known.
func Find(path []string) (Setting, bool) {
	s := Setting{Type: reflect.TypeFor[Config](), Exact: make([]bool, len(path))}
	for n := range path {
		t := s.Type
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Pointer {
			t = t.Elem().Elem()
			if s.Labelled {
				s.Exact[n], s.Labelled, s.Type = true, false, t
				if s.rule == replace {
					s.wholeAt = n + 1
				}
				continue
			}
		}
		switch {
		case t.Kind() == reflect.Map, t.Kind() == reflect.Interface:
			s.Exact[n], s.rule = true, always
			if t.Kind() == reflect.Map {
				s.Type = t.Elem()
			}
			continue
		case t.Kind() != reflect.Struct:
			return Setting{}, false
		}
		f, known := fieldOf(t, path[n])
		if !known {
			return Setting{}, false
		}
		s.Type, s.rule = f.Type, ruleOf(f)
		s.Labelled = isLabelled(f.Type)
		if s.rule == whole || t == reflect.TypeFor[PluginConfig]() && f.Name == "Config" {
			s.wholeAt = n + 1
		}
	}
	return s, true
}

// isLabelled says whether the blocks of a field have a label.
func isLabelled(t reflect.Type) bool {
	if t.Kind() != reflect.Slice || t.Elem().Kind() != reflect.Pointer {
		return false
	}
	_, has := labelOf(t.Elem().Elem())
	return has
}

// labelOf is the field that has the label of a block.
func labelOf(t reflect.Type) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if f.Tag.Get("hcl") == ",key" {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// fieldOf is the field with that name in a file, in whatever case it is written.
func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if tag := nameOf(f); tag != "" && tag != "-" && strings.EqualFold(tag, name) {
			return f, true
		}
	}
	if t == reflect.TypeFor[KEKProviderConfig]() { // whatever else stands in such a block
		return reflect.StructField{Name: name, Type: reflect.TypeFor[string]()}, true
	}
	return reflect.StructField{}, false
}

// Get returns what stands at a path: a text, number, boolean or list, a map, a block; or nil, where nothing does. Of blocks
// that have one label it is the last; of consul and vault it is the cluster without a name.
func (c *Config) Get(path []string) any { //nolint:cyclop // a case for each kind
	v := reflect.ValueOf(c)
	for n := 0; n < len(path); {
		v = reflect.Indirect(v)
		if !v.IsValid() {
			return nil
		}
		switch v.Kind() {
		case reflect.Interface:
			v = v.Elem()
		case reflect.Slice:
			v = blockOf(v, path[n])
			if !v.IsValid() {
				return nil
			}
			if v.Kind() == reflect.Pointer && isLabelledBlock(v) {
				n++
			}
		case reflect.Map:
			v = v.MapIndex(reflect.ValueOf(path[n]))
			n++
		case reflect.Struct:
			v = fieldValue(v, path[n])
			n++
		default:
			return nil
		}
		if !v.IsValid() {
			return nil
		}
	}
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer && v.Type().Elem().Kind() != reflect.Struct {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	return v.Interface()
}

func isLabelledBlock(v reflect.Value) bool {
	_, has := labelOf(v.Type().Elem())
	return has
}

// blockOf is the block of a list to which a path goes on with that name: the one with that label, the one of the default
// cluster; of maps, as a plugin's blocks are, the last that has it.
func blockOf(list reflect.Value, name string) reflect.Value {
	for i := list.Len() - 1; i >= 0; i-- {
		b := list.Index(i)
		switch {
		case b.Kind() == reflect.Map:
			if b.MapIndex(reflect.ValueOf(name)).IsValid() {
				return b
			}
		case b.Kind() != reflect.Pointer:
			return reflect.Value{}
		default:
			label, has := labelOf(b.Type().Elem())
			if has && b.Elem().FieldByIndex(label.Index).String() == name || !has && b.Elem().FieldByName("Name").String() == defaultCluster {
				return b
			}
		}
	}
	return reflect.Value{}
}

// fieldValue is that of a field by its name in a file. A duration is the text that stands in the file, or, where a later
// file's counts of which Nomad has not kept the text, as Go writes it.
func fieldValue(v reflect.Value, name string) reflect.Value {
	f, known := fieldOf(v.Type(), name)
	if !known {
		return reflect.Value{}
	}
	if len(f.Index) == 0 { // of a keyring
		return v.FieldByName("Config").MapIndex(reflect.ValueOf(name))
	}
	value := v.FieldByIndex(f.Index)
	plain, is := strings.CutSuffix(f.Name, "HCL")
	if !is {
		return value
	}
	counts := reflect.Indirect(v.FieldByName(plain))
	if !counts.IsValid() || counts.Kind() != reflect.Int64 {
		return value
	}
	if twin, _ := v.Type().FieldByName(plain); ruleOf(twin) == positive && counts.Int() <= 0 {
		return reflect.Zero(value.Type()) // Nomad goes on with its default
	}
	if d, err := time.ParseDuration(value.String()); err != nil || int64(d) != counts.Int() {
		if counts.Int() == 0 {
			return value
		}
		return reflect.ValueOf(time.Duration(counts.Int()).String())
	}
	return value
}

// Leaf is one setting with what it says.
type Leaf struct {
	Path  []string
	Value string
}

// Leaves are all settings that say something, in an order that is always the same. What says nothing is left out: a text,
// number or boolean that is zero, a list that is nil. Of what counts also where it is empty or false, only what is not there
// is left out.
func (c *Config) Leaves() []Leaf { return leavesOf(nil, byKind, reflect.ValueOf(c).Elem()) }

func leavesOf(path []string, r rule, v reflect.Value) (out []Leaf) {
	switch v.Kind() {
	case reflect.Struct:
		return fieldLeaves(path, v)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if v.Type().Elem().Kind() == reflect.Struct {
			return leavesOf(path, byKind, v.Elem())
		}
		return []Leaf{{path, fmt.Sprint(v.Elem())}}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			out = append(out, leavesOf(append(slices.Clip(path), k.String()), always, v.MapIndex(k))...)
		}
		return out
	case reflect.Interface:
		return leavesOf(path, r, v.Elem())
	case reflect.Slice:
		return listLeaves(path, r, v)
	default:
		if v.IsValid() && v.IsZero() && r != always {
			return nil
		}
		return []Leaf{{path, fmt.Sprint(v)}}
	}
}

func fieldLeaves(path []string, v reflect.Value) (out []Leaf) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if strings.Contains(f.Tag.Get("hcl"), ",unusedKeys") || f.Tag.Get("hcl") == ",key" {
			continue
		}
		if f.Tag.Get("mapstructure") == "name" && v.Field(i).String() == defaultCluster { // which no file needs to say
			continue
		}
		out = append(out, leavesOf(append(slices.Clip(path), leafName(v.Type(), f)), ruleOf(f), v.Field(i))...)
	}
	return out
}

// leafName is the name of a field: that in a file; for what Nomad makes of the text of a duration, the name of that text; for
// what no file can have, one that no setting has.
func leafName(of reflect.Type, f reflect.StructField) string {
	if text, has := of.FieldByName(f.Name + "HCL"); has {
		return nameOf(text)
	}
	if name := nameOf(f); name != "" && name != "-" {
		return name
	}
	return "." + f.Name
}

func listLeaves(path []string, r rule, v reflect.Value) (out []Leaf) {
	switch {
	case v.IsNil():
		return nil
	case v.Type().Elem().Kind() == reflect.Pointer:
		for i := range v.Len() {
			at := path
			if label, has := labelOf(v.Type().Elem().Elem()); has {
				at = append(slices.Clip(path), v.Index(i).Elem().FieldByIndex(label.Index).String())
				out = append(out, Leaf{at, "{}"})
			}
			out = append(out, leavesOf(at, byKind, v.Index(i))...)
		}
		return out
	case v.Len() == 0 && r != set && r != always:
		return nil
	default:
		return []Leaf{{path, fmt.Sprintf("%#v", v.Interface())}}
	}
}

// Outdoes says whether a later file's value, as it is written, counts in the place of an earlier one's. empty says that it is
// an empty text or list.
func (s Setting) Outdoes(empty bool, written string) bool {
	switch {
	case s.rule == keep || s.rule == first:
		return false
	case s.Type == nil || s.Latest():
		return true
	}
	number, err := strconv.ParseFloat(written, 64)
	kind := s.Type.Kind()
	if kind == reflect.Pointer {
		kind = s.Type.Elem().Kind()
	}
	switch kind {
	case reflect.Bool:
		on := strings.ToLower(written)
		return on == "true" || on == "1"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return err == nil && number != 0 && (number > 0 || s.rule != positive)
	default:
		return !empty
	}
}
