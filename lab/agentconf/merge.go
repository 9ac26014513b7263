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

// merged returns the configuration that Nomad merges from the files. Its error has the file, the line and Nomad's words.
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

// get returns the merged value at a path, or nil if there is none.
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

// Text returns the merged value of a setting as text: a boolean as "true" or "false", a number in decimal. It is empty if
// the setting is not set, and for blocks and lists.
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

// Flag returns the merged value of a boolean setting, and false if it is not set, which is Nomad's default of most. It
// returns an error for a setting that is no boolean, for an invalid path, and for a file that Nomad refuses.
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

// Boolean returns the merged value of a boolean setting, whatever form it is written in: 1, "1" and, where Nomad accepts
// that, "t" are true. is reports whether the setting is a boolean. In a plugin's config and in client.options, where no
// type of Nomad says so, settings named enable or enabled are booleans.
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

// Number returns the merged value of a number, and whether it is set. The errors are those of Flag.
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

// Texts returns the merged value of a list of strings. Depending on the setting, Nomad joins the lists or takes the last
// one. A single string counts as a list. The errors are those of Flag.
func (f Files) Texts(path string) ([]string, error) {
	v, err := f.get(path)
	if err == nil {
		switch list := v.(type) {
		case nil:
			return nil, nil
		case []string:
			return slices.Clone(list), nil // the file is read once for all callers
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

// EffectiveLine returns the line whose value Nomad uses after the merge, and whether there is one. Of a list that Nomad
// joins it is the last part.
func (f Files) EffectiveLine(path string) (line Line, stands bool) {
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
