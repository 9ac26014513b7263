package model

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// convertDurations reads the durations that stand as texts, each into the field beside its own.
func convertDurations(path []string, v reflect.Value) error {
	for i := range v.NumField() {
		f, value := v.Type().Field(i), v.Field(i)
		at := append(slices.Clip(path), nameOf(f))
		for n, inner := range structsIn(value) {
			if err := convertDurations(append(slices.Clip(at), toldApart(n, inner)...), inner); err != nil {
				return err
			}
		}
		name, is := strings.CutSuffix(f.Name, "HCL")
		if is = is && f.Type.Kind() == reflect.String; !is && !onlyChecked(v.Type().Name(), f.Name) || value.String() == "" {
			continue
		}
		d, err := time.ParseDuration(value.String())
		if err != nil {
			return fmt.Errorf("%s can't parse time duration %s", durationName(at), value.String())
		}
		switch into := v.FieldByName(name); {
		case !is || into.Kind() != reflect.Int64 && into.Kind() != reflect.Pointer:
		case into.Kind() == reflect.Pointer:
			into.Set(reflect.ValueOf(&d))
		default:
			into.SetInt(int64(d))
		}
	}
	return nil
}

// onlyChecked says so of the durations of which the agent's answer has the text.
func onlyChecked(of, field string) bool {
	return of == "Telemetry" && slices.Contains([]string{"InMemoryCollectionInterval", "InMemoryRetentionPeriod", "CollectionInterval"}, field)
}

// toldApart returns what Nomad adds to the name of a duration if there are several such blocks.
func toldApart(n int, block reflect.Value) []string {
	label, has := labelOf(block.Type())
	switch {
	case !has:
		return nil
	case block.Type() == reflect.TypeFor[AuditSink]():
		return []string{strconv.Itoa(n)}
	default:
		return []string{block.FieldByIndex(label.Index).String()}
	}
}

// durationName is what Nomad calls the setting in an error.
func durationName(path []string) string {
	name := strings.Join(path, ".")
	if path[0] == "audit" {
		name = strings.TrimSuffix(name, ".rotate_duration")
	}
	for is, called := range map[string]string{
		"client.gc_interval": "gc_interval", "acl.role_ttl": "acl.policy_ttl",
	} {
		if name == is {
			return called
		}
	}
	return name
}

// structsIn are the blocks that a field has: one, those of a list, or none.
func structsIn(v reflect.Value) (out []reflect.Value) {
	switch {
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		return []reflect.Value{v}
	case v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct && !v.IsNil():
		return []reflect.Value{v.Elem()}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Pointer:
		for i := range v.Len() {
			out = append(out, structsIn(v.Index(i))...)
		}
	}
	return out
}
