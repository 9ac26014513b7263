package report

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"nomadlab.internal/lab/finding"
)

// normalized returns a deep copy of the report. Every text has passed through the function text, no list is nil, an
// unknown result is inconclusive, and an unknown direction is unclear.
func normalized(r finding.Report, text func(string) string) finding.Report {
	normalize(reflect.ValueOf(&r).Elem(), text)
	return r
}

// normalize replaces what the value refers to by normalized copies. The value must be settable.
func normalize(v reflect.Value, text func(string) string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			target := reflect.New(v.Type().Elem())
			target.Elem().Set(v.Elem())
			normalize(target.Elem(), text)
			v.Set(target)
		}
	case reflect.Slice:
		items := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(items, v)
		for i := range items.Len() {
			normalize(items.Index(i), text)
		}
		v.Set(items)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() { // the fields of a time.Time cannot be set
				normalizeField(f, v.Type().Field(i), text)
			}
		}
	}
}

// normalizeField normalizes one field of a struct. An empty result stays empty if the field may be absent in JSON.
func normalizeField(v reflect.Value, field reflect.StructField, text func(string) string) {
	switch p := v.Addr().Interface().(type) {
	case *finding.Result:
		optional := strings.Contains(field.Tag.Get("json"), "omitempty")
		if !slices.Contains(finding.Results(), *p) && (*p != "" || !optional) {
			*p = finding.Inconclusive
		}
	case *finding.Direction:
		if !slices.Contains(directions(), *p) {
			*p = finding.Unclear
		}
	default:
		normalize(v, text)
	}
}

// sanitized returns the text as one line without anything that a terminal, a browser or an XML reader acts on: an
// agent's answer may hold anything, and so may a user's file. White space becomes a space. Control characters, escape
// sequences, marks that turn the direction of writing, and bytes that are no UTF-8 are spelled out.
func sanitized(t string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(t, "\ufffd") {
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return strings.TrimSpace(b.String())
}
