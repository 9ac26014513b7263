package agentconf

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"nomadlab.internal/lab/agentconf/model"
)

// merged is what Nomad has of the files. Its error names the file, the line and Nomad's words.
func (f Files) merged() (*model.Config, error) {
	out := model.Empty()
	for _, file := range f {
		c, err := file.config()
		if err != nil {
			return nil, fmt.Errorf("the configuration cannot be read: %w", file.check())
		}
		if out, err = model.Merge(out, c); err != nil {
			return nil, file.fail(err)
		}
	}
	return out, nil
}

// get is what stands at a path as Nomad merges the files; nil where nothing does.
func (f Files) get(path string) (any, error) {
	names, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	c, err := f.merged()
	if err != nil {
		return nil, err
	}
	return c.Get(names), nil
}

// Text is the text of a setting as Nomad merges it. It is "" where there is none, and where a block or a list stands. A
// boolean is "true" or "false", a number is decimal.
func (f Files) Text(path string) string {
	v, err := f.get(path)
	if err != nil || v == nil {
		return ""
	}
	switch reflect.TypeOf(v).Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return fmt.Sprint(v)
	default:
		return ""
	}
}

// Flag is a boolean setting as Nomad merges it. A setting that is nowhere is false, Nomad's default of most. It returns an
// error for a setting that is no boolean, for a path that is none, and for a file that Nomad refuses.
func (f Files) Flag(path string) (bool, error) {
	v, err := f.get(path)
	if err == nil && v != nil {
		switch strings.ToLower(fmt.Sprint(v)) {
		case "1", "true":
			return true, nil
		case "0", "false", "": // an empty text is none
			return false, nil
		}
		err = errors.New("it is no boolean")
	}
	if err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	return false, nil
}

// Boolean is a boolean setting as Nomad merges it, in whichever way it is written: 1, "1" and, where Nomad takes that, "t" are
// true. is is false for a setting that is no boolean. Of what is in a plugin's config and in client.options no type of Nomad's says
// what it is: what is called enable or enabled is one.
func (f Files) Boolean(path string) (on, is bool) {
	names, err := parsePath(path)
	if err != nil {
		return false, false
	}
	setting, known := model.Find(names)
	if !known {
		return false, false
	}
	kind := setting.Type.Kind()
	if kind == reflect.Pointer {
		kind = setting.Type.Elem().Kind()
	}
	if last := names[len(names)-1]; kind != reflect.Bool && !strings.HasSuffix(last, "enable") && last != "enabled" {
		return false, false
	}
	if kind == reflect.String { // client.options (drivers/rawexec/driver.go:67)
		on, err = strconv.ParseBool(f.Text(path))
	} else {
		on, err = f.Flag(path)
	}
	return on, err == nil
}

// Number is a number as Nomad merges it, and whether it stands anywhere. The errors are those of Flag.
func (f Files) Number(path string) (n int, stands bool, err error) {
	v, err := f.get(path)
	if err == nil && v != nil {
		var whole int64
		if whole, err = strconv.ParseInt(fmt.Sprint(v), 0, 0); err != nil {
			err = errors.New("it is no whole number")
		}
		n = int(whole)
	}
	if err != nil {
		return 0, false, fmt.Errorf("read %s: %w", path, err)
	}
	return n, len(f.Lookup(path)) > 0, nil
}

// Texts is a list of texts as Nomad merges it: of some, one list behind the other, of others, the last that has elements or
// that is there at all. A text alone counts as a list of one. The errors are those of Flag.
func (f Files) Texts(path string) ([]string, error) {
	v, err := f.get(path)
	if err == nil {
		switch list := v.(type) {
		case nil:
			return nil, nil
		case []string:
			return slices.Clone(list), nil // the file is read once, for all who ask
		case string:
			if list == "" {
				return nil, nil
			}
			return []string{list}, nil
		case []any:
			return texts(list), nil
		}
		err = errors.New("it is a block, and no list of texts")
	}
	return nil, fmt.Errorf("read %s: %w", path, err)
}

func texts(list []any) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = fmt.Sprint(v)
	}
	return out
}

// Counts is the line whose value counts as Nomad merges the setting, and whether it stands anywhere. Of a list that grows
// with each file it is the last part.
func (f Files) Counts(path string) (line Line, stands bool) {
	names, err := parsePath(path)
	if err != nil {
		return Line{}, false
	}
	setting, _ := model.Find(names)
	trees := f.readable()
	for i, places := range counting(trees, queryOf(names)) {
		if len(places) == 0 {
			continue
		}
		last := places[len(places)-1]
		if v := last.item().val; !stands || setting.Outdoes(v.kind == isText && v.text == "" || len(v.list) == 0 && v.kind == isList, v.text) {
			line, stands = f[i].line(trees[i], last), true
		}
	}
	return line, stands
}
