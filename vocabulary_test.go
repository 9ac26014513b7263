package nomadlab_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// retiredWord is a word that the project does not use any more, and the one to use instead.
type retiredWord struct {
	pattern, instead string
	// onlyNames is true for words of plain English, which a sentence may need.
	onlyNames bool
}

// retired has the retired words, each pattern for a whole word in lower case.
func retired() []retiredWord {
	return []retiredWord{
		{pattern: `held`, instead: "pass"},
		{pattern: `broken`, instead: "fail"},
		{pattern: `not carried out`, instead: "inconclusive"},
		{pattern: `verdicts?`, instead: "result"},
		{pattern: `promises?`, instead: "check"},
		{pattern: `joiners?`, instead: "extra node"},
		{pattern: `outside`, instead: "extra node", onlyNames: true},
		{pattern: `grounds?`, instead: "host environment"},
		{pattern: `patience`, instead: "ready timeout"},
		{pattern: `flaws?|flawed|forge[drs]?|forging|forgery|forgeries`, instead: "certificate defect"},
		{pattern: `weaken(s|ed|ing|ings)?|weakness(es)?|mutants?`, instead: "mutation"},
		{pattern: `wires?`, instead: "network"},
		{pattern: `doors?`, instead: "endpoint"},
		{pattern: `entry|entries|ways?`, instead: "endpoint", onlyNames: true},
		{pattern: `party|parties|strangers?|knockers?`, instead: "caller"},
		{pattern: `knock(s|ed|ing)?`, instead: "probe"},
		{pattern: `looks?|looking|sights?`, instead: "probe", onlyNames: true},
		{pattern: `canary|canaries`, instead: "control"},
		{pattern: `decoys?`, instead: "control server, control file"},
		{pattern: `witness|witnesses|witnessed`, instead: "sample job"},
		{pattern: `tapes?`, instead: "packet capture"},
		{pattern: `meddlers?|intercept(ed|ors?|s)?|tamper(ed|ing|s)?`, instead: "bit-flipping proxy"},
		{pattern: `crowds?|crowding`, instead: "connection flood"},
		{pattern: `story|stories`, instead: "scenario"},
		{pattern: `whoever|somebody|anybody`, instead: "the caller, a user, another user"},
	}
}

// exceptions are the places that may use a retired word, each with its reason: an exported name as lab/pki.Type.Field, a file,
// or an output as it is called below, followed by ": " and the word. An exception that excuses nothing fails the test.
func exceptions() map[string]string {
	return map[string]string{
		"lab/pki.OutsideConstraints: outside":            "X.509's own: a name outside the name constraints of its authority",
		"lab/posture/caller.OutsideConstraints: outside": "X.509's own: a name outside the name constraints of its authority",

		"lab/regress/lock.checkOfVersion1.Verdict: verdict": "the key of lock files of version 1",
		"lock migrate --help: held":                         "a word of version 1, which it converts",
		"lock migrate --help: broken":                       "a word of version 1, which it converts",
		"lock migrate --help: not carried out":              "a word of version 1, which it converts",
		"lock migrate --help: wire":                         "a word of version 1, which it converts",
	}
}

// use is a text in which retired words are looked for.
type use struct {
	// where is a name, a file or an output, as exceptions name it.
	where string
	// text has lower-case words with spaces between them.
	text string
	// prose is true for sentences.
	prose bool
}

// TestVocabulary refuses retired words in exported names, in the names of files and folders, in what the command prints, and
// in reports.
func TestVocabulary(t *testing.T) {
	uses := slices.Concat(exportedNames(t), fileNames(t), commandOutputs(t), reportGoldens(t))
	for _, offence := range offences(retired(), exceptions(), uses) {
		t.Error(offence)
	}
}

// TestVocabularyCanFail gives one use of each kind a retired word, beside a control without one.
func TestVocabularyCanFail(t *testing.T) {
	const code = `package p
type Door struct { Hinge string; plain int }
type door struct { Knock int; B int ` + "`json:\"mutant_id\"`" + ` }
type Opener interface { OpenDoor() }
func (d Door) CanaryHTTP() {}
func unlockDoor() { type Party int; var Witness int; _ = Witness }
const ( A, Tape = 1, 2 )
var Way, history = 1, 2
func Stories() {}
func DoorwayHistory() {}
`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", code, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"p.Door", "p.Door.CanaryHTTP", "p.Opener.OpenDoor", "p.Stories", "p.Tape", "p.Way", "p.door.B", "p.door.Knock"}
	var got []string
	for _, u := range exportedNamesOf("p", file) {
		if len(offences(retired(), nil, []use{u})) > 0 {
			got = append(got, u.where)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("names with retired words: %q, want %q", got, want)
	}
	for _, c := range []struct{ retired, control use }{
		{nameUse("lab/storyform/wire_test.go", "lab/storyform/wire_test.go"), nameUse("lab/history/wireless.go", "lab/history/wireless.go")},
		{outputUse("check --help", "says which\n   promises hold"), outputUse("check --help", "compromises of rpc-wire-door")},
		{outputUse("check --list", "7 checks NOT CARRIED OUT"), outputUse("check --list", "carried out")},
		{nameUse("p.NextWay", "NextWay"), outputUse("check --help", "a way to look at an entry")},
	} {
		if got := offences(retired(), nil, []use{c.retired}); len(got) != 1 || !strings.Contains(got[0], c.retired.where) {
			t.Errorf("%+v: got %q, want one offence that names it", c.retired, got)
		}
		if got := offences(retired(), nil, []use{c.control}); len(got) != 0 {
			t.Errorf("%+v: got %q, want none", c.control, got)
		}
	}
	excused := map[string]string{"p.Door: door": "a word of Nomad's"}
	if got := offences(retired(), excused, []use{nameUse("p.Door", "Door")}); len(got) != 0 {
		t.Errorf("with its exception: %q, want none", got)
	}
	if got := offences(retired(), excused, nil); len(got) != 1 || !strings.Contains(got[0], "p.Door: door") {
		t.Errorf("an exception that excuses nothing: %q, want one offence that names it", got)
	}
}

// offences returns a sentence for each retired word in the uses, unless an exception excuses it, and for each exception that
// excuses nothing.
func offences(words []retiredWord, exceptions map[string]string, uses []use) []string {
	var out []string
	unused := maps.Clone(exceptions)
	for _, w := range words {
		pattern := regexp.MustCompile(`\b(` + w.pattern + `)\b`)
		for _, u := range uses {
			if u.prose && w.onlyNames {
				continue
			}
			seen := map[string]bool{}
			for _, at := range pattern.FindAllStringIndex(u.text, -1) {
				where := u.where + ": " + u.text[at[0]:at[1]]
				delete(unused, where)
				if _, excused := exceptions[where]; !excused && !seen[where] {
					seen[where] = true
					near := u.text[max(0, at[0]-40):min(len(u.text), at[1]+40)]
					out = append(out, fmt.Sprintf("%s is retired, use %q (%q)", where, w.instead, near))
				}
			}
		}
	}
	for where := range unused {
		out = append(out, fmt.Sprintf("the exception %q excuses nothing: remove it", where))
	}
	slices.Sort(out)
	return slices.Compact(out) // a field and its tag may have one word
}

// nameUse returns the use of a name, whose words it separates.
func nameUse(where, name string) use { return use{where: where, text: wordsOf(name)} }

// ids matches the IDs of checks, mutations and scenarios. Lock files have them, so they do not change.
var ids = regexp.MustCompile(`\b[\w.]+(-[\w.]+){2,}`)

// outputUse returns the use of an output: its text with single spaces, and without IDs.
func outputUse(where, text string) use {
	return use{where: where, text: strings.ToLower(strings.Join(strings.Fields(ids.ReplaceAllString(text, "ID")), " ")), prose: true}
}

// wordsOf separates the words of a name in camel case or with punctuation: "HTTPFlood" is "http flood".
func wordsOf(name string) string {
	var words strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r):
			words.WriteRune(' ')
			continue
		case i > 0 && unicode.IsUpper(r) && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			words.WriteRune(' ')
		}
		words.WriteRune(unicode.ToLower(r))
	}
	return words.String()
}

// exportedNames returns the exported names of all Go files beside tests.
func exportedNames(t *testing.T) []use {
	t.Helper()
	var out []use
	for _, name := range files(t) {
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, exportedNamesOf(path.Dir(name), f)...)
	}
	if len(out) < 1000 {
		t.Errorf("%d exported names were found: the test would prove little", len(out))
	}
	return out
}

// exportedNamesOf returns the exported names that a file declares outside functions, methods and fields included, and the keys
// in the tags of fields.
func exportedNamesOf(pkg string, f *ast.File) []use {
	var out []use
	add := func(owner string, names ...*ast.Ident) {
		for _, n := range names {
			if n.IsExported() {
				out = append(out, nameUse(pkg+"."+owner+n.Name, n.Name))
			}
		}
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			add(receiver(d), d.Name)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.ValueSpec:
					add("", s.Names...)
				case *ast.TypeSpec:
					add("", s.Name)
					for _, field := range members(s.Type) {
						add(s.Name.Name+".", field.Names...)
						for _, key := range tagKeys(field) {
							out = append(out, nameUse(pkg+"."+s.Name.Name+"."+field.Names[0].Name, key))
						}
					}
				}
			}
		}
	}
	return out
}

// receiver returns the type of a method with a dot, or nothing for a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	at := f.Recv.List[0].Type
	for {
		switch x := at.(type) {
		case *ast.StarExpr:
			at = x.X
		case *ast.IndexExpr:
			at = x.X
		case *ast.IndexListExpr:
			at = x.X
		case *ast.Ident:
			return x.Name + "."
		default:
			return ""
		}
	}
}

// members returns the fields of a struct, and of structs within it, or the methods of an interface.
func members(of ast.Expr) []*ast.Field {
	var out []*ast.Field
	ast.Inspect(of, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncType:
			return false // its parameters are no members
		case *ast.Field:
			out = append(out, n)
		}
		return true
	})
	return out
}

// tagKeys returns the names that a field has in JSON and YAML.
func tagKeys(f *ast.Field) []string {
	if f.Tag == nil || len(f.Names) == 0 {
		return nil
	}
	tag, err := strconv.Unquote(f.Tag.Value)
	if err != nil {
		return nil
	}
	var keys []string
	for _, format := range []string{"json", "yaml"} {
		key, _, _ := strings.Cut(reflect.StructTag(tag).Get(format), ",")
		keys = append(keys, key)
	}
	return keys
}

// fileNames returns the paths of all files.
func fileNames(t *testing.T) []use {
	t.Helper()
	var out []use
	for _, name := range files(t) {
		out = append(out, nameUse(name, name))
	}
	return out
}

// files returns the paths of all files below this folder, without .git and what make writes.
func files(t *testing.T) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == ".git" || name == ".bin"):
			return fs.SkipDir
		case !d.IsDir() && name != ".git":
			out = append(out, name)
		}
		return nil
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("%d files were found, %v", len(out), err)
	}
	return out
}

// commandOutputs builds the command, and returns what it prints: the help of every subcommand, its lists, and a plan.
func commandOutputs(t *testing.T) []use {
	t.Helper()
	command := filepath.Join(t.TempDir(), "nomadlab")
	if said, err := exec.CommandContext(t.Context(), "go", "build", "-o", command, "./cmd/nomadlab").CombinedOutput(); err != nil {
		t.Fatalf("build the command: %v\n%s", err, said)
	}
	state := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), command, args...)
		cmd.Env = append(os.Environ(), "NOMADLAB_ENGINE=process", "XDG_STATE_HOME="+state)
		said, err := cmd.CombinedOutput()
		if err != nil || len(said) == 0 {
			t.Fatalf("%v: %v\n%s", args, err, said)
		}
		return string(said)
	}
	var out []use
	add := func(args ...string) string {
		said := run(args...)
		out = append(out, outputUse(strings.Join(args, " "), said))
		return said
	}
	subcommand := regexp.MustCompile(`(?m)^  ([a-z]+) `)
	var help func(path ...string)
	help = func(path ...string) {
		_, list, _ := strings.Cut(add(append(slices.Clone(path), "--help")...), "Available Commands:")
		list, _, _ = strings.Cut(list, "\nFlags:")
		for _, found := range subcommand.FindAllStringSubmatch(list, -1) {
			help(append(slices.Clone(path), found[1])...)
		}
	}
	help()
	if len(out) < 15 {
		t.Errorf("%d commands were found: the test would prove little", len(out))
	}
	add("check", "--list")
	add("mutate", "--list")
	add("run", "--list")
	add("plan", "--mutation", "server-no-gossip-key")
	return out
}

// reportGoldens returns the reports that lab/report's tests compare with.
func reportGoldens(t *testing.T) []use {
	t.Helper()
	var out []use
	for _, pattern := range []string{"*.txt", "*.md"} {
		found, err := filepath.Glob("lab/report/testdata/" + pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		for _, name := range found {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, outputUse(name, string(text)))
		}
	}
	return out
}
