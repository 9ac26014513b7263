package agentconf

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"nomadlab.internal/lab/agentconf/model"
)

// CheckSetting returns what is wrong with a path and a value for Edit, in any text: the path is not a series of names
// with dots between, or the value is no literal of HCL. The empty value, which removes the line, is valid.
func CheckSetting(path, value string) error {
	if _, err := parseSetting(path); err != nil {
		return err
	}
	if value == "" {
		return nil
	}
	if _, err := parseLiteral(value); err != nil {
		return err
	}
	if strings.Contains(value, "${") || strings.Contains(value, "%{") {
		return notLiteral(value, "it has a template in it, which Nomad would take for text")
	}
	return nil
}

// Path returns the path of these names, outermost first. A name that contains dots, or is no plain name otherwise, is
// quoted.
func Path(names ...string) string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = name
		if !hclsyntax.ValidIdentifier(name) {
			out[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
		}
	}
	return strings.Join(out, ".")
}

// parseSetting returns the names of a path to a line, or to a block without a label of its own.
func parseSetting(path string) ([]string, error) {
	names, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	if labelled(names) || labelled(names[:len(names)-1]) {
		return nil, fmt.Errorf("%q ends too soon: the block has a name of its own, and lines in it", path)
	}
	return names, nil
}

// parsePath returns the names of a path, without quotes.
func parsePath(path string) (names []string, err error) {
	for rest := path; ; {
		name, after, err := cutName(rest)
		if err != nil {
			return nil, fmt.Errorf("%q is no path such as tls.http: %w", path, err)
		}
		names = append(names, name)
		if after == "" {
			return names, nil
		}
		if after[0] != '.' {
			return nil, fmt.Errorf("%q is no path such as tls.http: %q follows a quote, where a dot or the end must be", path, after)
		}
		rest = after[1:]
	}
}

// cutName returns the first name of a path and the rest.
func cutName(path string) (name, after string, err error) {
	if !strings.HasPrefix(path, `"`) {
		name, _, _ = strings.Cut(path, ".")
		if !hclsyntax.ValidIdentifier(name) {
			return "", "", fmt.Errorf("%q is no name", name)
		}
		return name, path[len(name):], nil
	}
	var out strings.Builder
	for i := 1; i < len(path); i++ {
		switch {
		case path[i] == '"':
			return out.String(), path[i+1:], nil
		case path[i] == '\\' && i+1 < len(path):
			i++
			fallthrough
		default:
			out.WriteByte(path[i])
		}
	}
	return "", "", fmt.Errorf("the quote in %q has no end", path)
}

// labelled reports whether blocks of that path have a label.
func labelled(names []string) bool {
	s, known := model.Find(names)
	return known && s.Labelled
}
