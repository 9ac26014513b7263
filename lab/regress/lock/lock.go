package lock

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/spec"
)

// formatVersion is the version of the lock format that this package writes and reads.
const formatVersion = 2

// head is the comment with which every lock file begins.
const head = `# The posture of these agents' configuration: the result of each check on a cluster that ran it, by "nomadlab check".
# Commit this file beside the configuration: its diff then shows what a change opens or closes. Do not edit it by hand.
# After an intended change, write it again:
#     nomadlab check --server-config PATH --client-config PATH --lock THIS-FILE --update
`

// repair is what helps if a lock file cannot be read.
const repair = "restore it from version control, or write it anew with --update"

// ErrLock is wrapped by every error about a lock file that cannot be used. It is a spec.ErrInvalid.
var ErrLock error = lockError{}

// ErrOldVersion is wrapped, beside ErrLock, by ReadLock's error about a lock file of an older version of the format.
var ErrOldVersion = errors.New("an older version of the format")

type lockError struct{}

func (lockError) Error() string { return "posture lock" }

// Is makes it one of spec.ErrInvalid.
func (lockError) Is(target error) bool { return target == spec.ErrInvalid }

// file is the content of a lock file, in YAML. The names of its fields are in the checksum: they stay as they are.
type file struct {
	Version  int                    `yaml:"version"`
	Nomad    text                   `yaml:"nomad,omitempty"`
	Settings map[text]map[text]text `yaml:"settings,omitempty" json:",omitempty"` // by role and path
	Checks   planes                 `yaml:"checks,omitempty" json:",omitempty"`
	Checksum string                 `yaml:"checksum"`
}

// planes are the checks of each plane, by ID.
type planes map[text]map[text]check

// MarshalYAML writes the planes in the order of finding.RankOfPlane, and the checks by ID.
func (p planes) MarshalYAML() ([]byte, error) {
	var all []byte
	for _, plane := range slices.SortedFunc(maps.Keys(p), func(a, b text) int { return comparePlanes(string(a), string(b)) }) {
		one, err := yaml.Marshal(map[text]map[text]check{plane: p[plane]})
		if err != nil {
			return nil, err
		}
		all = append(all, one...)
	}
	return all, nil
}

// check is one CheckResult in a lock file, in flow style: one line.
type check struct {
	Result  text `yaml:"result"`
	Outcome text `yaml:"outcome,omitempty"`
	At      text `yaml:"at,omitempty"`
	Reason  text `yaml:"reason,omitempty"`
	line    int
}

// MarshalYAML writes the check in one line.
func (c check) MarshalYAML() ([]byte, error) {
	type plain check
	return yaml.MarshalWithOptions(plain(c), yaml.Flow(true))
}

// UnmarshalYAML reads a check, and keeps the line where it begins.
func (c *check) UnmarshalYAML(node ast.Node) error {
	type plain check
	if err := yaml.NodeToValue(node, (*plain)(c), yaml.Strict()); err != nil {
		return err
	}
	c.line = node.GetToken().Position.Line
	return nil
}

// text is a string that stays in one line and contains nothing that a terminal interprets.
type text string

var (
	// literal matches values of settings that are the same in YAML, HCL and Go.
	literal = regexp.MustCompile(`^(?:true|false|0|[1-9]\d{0,14})$`)
	// words matches texts of which goccy/go-yaml knows whether they need quotes. It writes others wrongly, such as "a{b" in a
	// flow mapping.
	words = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._/()…-]*$`)
)

// MarshalYAML writes a text without quotes if it can be, in single quotes if it has nothing to escape, else in double quotes.
func (t text) MarshalYAML() ([]byte, error) {
	s := string(t)
	unquoted := strings.ReplaceAll(s, `"`, "")
	switch single := yaml.UseSingleQuote(!strings.Contains(s, "'")); {
	case literal.MatchString(s):
		return []byte(s), nil
	case strconv.Quote(unquoted) != `"`+unquoted+`"`:
		return []byte(strconv.Quote(s)), nil
	case words.MatchString(s):
		return yaml.MarshalWithOptions(s, yaml.Flow(true), single)
	default:
		return yaml.MarshalWithOptions(s, yaml.JSON(), single)
	}
}

// Lock returns the posture as a lock file: YAML with one line for each setting and each check, in a fixed order, so that a
// diff shows what has changed. A checksum of the content lets ReadLock notice an edit by hand. The file has only what is
// Committed, and no titles, severities, settings of checks, file names or lines: it changes when the configuration or the
// cluster does.
func (p Posture) Lock() []byte {
	p = p.Committed()
	f := file{Version: formatVersion, Nomad: text(p.Nomad), Settings: map[text]map[text]text{}, Checks: planes{}}
	for _, s := range p.Settings {
		put(f.Settings, s.Role, s.Path, text(s.Value))
	}
	for _, r := range p.Results {
		put(f.Checks, r.Plane, r.ID, check{Result: text(r.Result), Outcome: text(r.Outcome), At: text(r.At), Reason: text(r.Reason)})
	}
	f.Checksum = f.checksum()
	content, err := yaml.Marshal(f)
	if err != nil {
		panic(fmt.Sprintf("a lock file is strings and one number: %v", err))
	}
	return append([]byte(head), content...)
}

// put sets all[group][key].
func put[C any](all map[text]map[text]C, group, key string, value C) {
	if all[text(group)] == nil {
		all[text(group)] = map[text]C{}
	}
	all[text(group)][text(key)] = value
}

// checksum returns the checksum of the content. Layout, quotes, order and comments make no difference to it.
func (f file) checksum() string {
	f.Checksum = ""
	content, err := json.Marshal(f)
	if err != nil {
		panic(fmt.Sprintf("a lock file is strings and one number: %v", err))
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256(content))
}

// Is reports whether the content begins as a lock file of any version does, whatever became of the rest.
func Is(content []byte) bool {
	return bytes.HasPrefix(bytes.TrimPrefix(content, []byte("\ufeff")), []byte("# The posture of these agents' configuration"))
}

// ReadLock reads a lock file that Lock has written; name is the file's, for errors. They wrap ErrLock, and say at which
// line the problem is and what to do: the content is not YAML or not a lock, it has another version, a result is unknown, a
// check appears twice, or it was edited by hand. An older version is an ErrOldVersion too.
//
// The returned posture lacks what a lock does not have: titles, severities, settings of checks, files and lines.
func ReadLock(name string, content []byte) (Posture, error) {
	p, err := readLock(name, content)
	if err != nil {
		return Posture{}, fmt.Errorf("%w %s: %w", ErrLock, name, err)
	}
	return p, nil
}

func readLock(name string, content []byte) (Posture, error) {
	root, version, err := parse(content)
	switch {
	case err != nil:
		return Posture{}, err
	case version < formatVersion:
		return Posture{}, fmt.Errorf("it has version %d, %w, and this nomadlab reads %d: run `nomadlab lock migrate %s`", version, ErrOldVersion, formatVersion, name)
	}
	return posture(root)
}

// parse returns the only document of a lock file, and its version, which is at most formatVersion.
func parse(content []byte) (root ast.Node, version int, err error) {
	if err := spec.CheckYAML(content); err != nil {
		return nil, 0, fmt.Errorf("%w: %s", err, repair)
	}
	tree, err := parser.ParseBytes(content, 0)
	switch {
	case err != nil:
		return nil, 0, atLine(fmt.Errorf("it is not YAML: %w", err))
	case len(tree.Docs) == 0, len(tree.Docs) == 1 && tree.Docs[0].Body == nil:
		return nil, 0, fmt.Errorf("it is empty: %s", repair)
	case len(tree.Docs) > 1:
		return nil, 0, fmt.Errorf("it has %d YAML documents instead of one: %s", len(tree.Docs), repair)
	}
	var head struct {
		Version int `yaml:"version"`
	}
	root = tree.Docs[0].Body
	switch err := yaml.NodeToValue(root, &head); { // before all else: another version may have another form
	case err != nil:
		return nil, 0, atLine(err)
	case head.Version < 1:
		return nil, 0, errors.New("it has no version, so it is no posture lock: name the file that --lock --update has written")
	case head.Version > formatVersion:
		return nil, 0, fmt.Errorf("a newer nomadlab wrote it: version %d of the format, this one reads %d: "+
			"use that nomadlab, or write the lock anew with --update", head.Version, formatVersion)
	}
	return root, head.Version, nil
}

// atLine puts in front of an error of goccy/go-yaml the line that it is about, instead of an excerpt of the file.
func atLine(err error) error {
	at, is := errors.AsType[yaml.Error](err)
	if !is {
		return fmt.Errorf("%w: %s", err, repair)
	}
	before, _, _ := strings.Cut(err.Error(), at.Error())
	message := at.GetMessage()
	if wrong, is := errors.AsType[*yaml.TypeError](err); is {
		message = fmt.Sprintf("a %s is there, and %s is wanted", wrong.SrcType.Kind(), wrong.DstType.Kind())
	}
	printable := strings.Map(func(r rune) rune { // a file may have anything in its keys, and terminals obey some of it
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, before+message)
	return fmt.Errorf("line %d: %s: %s", at.GetToken().Position.Line, printable, repair)
}

// posture decodes a lock file of this version.
func posture(root ast.Node) (Posture, error) {
	var f file
	if err := yaml.NodeToValue(root, &f, yaml.Strict()); err != nil {
		return Posture{}, atLine(err)
	}
	p := Posture{Nomad: string(f.Nomad), Settings: settingsIn(f.Settings)}
	lines := map[text]int{}
	for _, plane := range slices.Sorted(maps.Keys(f.Checks)) {
		for _, id := range slices.Sorted(maps.Keys(f.Checks[plane])) {
			c := f.Checks[plane][id]
			if c.line == 0 {
				return Posture{}, fmt.Errorf("the check %q has no value: %s", id, repair)
			}
			if first, twice := lines[id]; twice {
				return Posture{}, fmt.Errorf("line %d: the check %q is there twice, first at line %d: %s", max(first, c.line), id, min(first, c.line), repair)
			}
			lines[id] = c.line
			r := CheckResult{
				ID: string(id), Plane: string(plane), Result: finding.Result(c.Result),
				Outcome: string(c.Outcome), At: string(c.At), Reason: string(c.Reason),
			}
			if r.Result.Rank() < 0 {
				return Posture{}, fmt.Errorf("line %d: the result of %s is %q, which is none of %v: %s", c.line, id, r.Result, finding.Results(), repair)
			}
			p.Results = append(p.Results, r)
		}
	}
	slices.SortFunc(p.Results, byPlaneAndID)
	return p, edited(f.Checksum, f.checksum())
}

// edited returns an error if a lock file's checksum is not that of its content.
func edited(has, want string) error {
	if has == want {
		return nil
	}
	return fmt.Errorf("it was edited by hand: its checksum is %q, that of its content is %q: %s", has, want, repair)
}

// settingsIn returns the settings of a lock file, by role and path.
func settingsIn(roles map[text]map[text]text) []finding.Setting {
	var all []finding.Setting
	for role, paths := range roles {
		for path, value := range paths {
			all = append(all, finding.Setting{Role: string(role), Path: string(path), Value: string(value)})
		}
	}
	slices.SortFunc(all, byRoleAndPath)
	return all
}
