package spec_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"nomadlab.internal/lab/spec"
)

// reference is docs/lab-file.md, as package golden names files from this package's folder.
const reference = "../../../docs/lab-file.md"

// TestReferenceOfTheLabFile: the page says what the Go type does. `go test ./lab/spec -run TestReferenceOfTheLabFile
// -update` writes it.
func TestReferenceOfTheLabFile(t *testing.T) {
	page := pageOf(t, reflect.TypeFor[spec.Document]())
	golden.Assert(t, page, reference)
}

// TestTheExampleIsALabFile: what the page shows can be brought up.
func TestTheExampleIsALabFile(t *testing.T) {
	d, err := spec.DecodeDocument(t.Context(), strings.NewReader(exampleFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
}

const exampleFile = `name: demo
log_level: DEBUG
hardened: true
regions:
  - {name: eu, servers: 3, clients: 1}
  - {name: us, servers: 1, clients: 1}
certificates:
  ttl: 48h
  dns_names: [nomad.example]
overrides:
  - {role: server, path: server.raft_multiplier, value: "5"}
extra_nodes:
  - {name: late, role: client, region: us}
`

const head = `# The lab's file

` + "`nomadlab up --file lab.yaml`" + ` (and ` + "`plan --file`" + `) reads a lab from a file in YAML. Every key may be left out. An unknown
key is an error that names its line; the error lists everything that is wrong. Flags win over the file.

In the tables, "Zero:" says what a key that is left out means.

This page is made from the Go type ` + "`spec.Document`" + `, and a test holds it to that.

` + "```yaml\n" + exampleFile + "```\n"

// pageOf returns the reference of a struct and of the structs in it, each once, in the order in which they are met.
func pageOf(t *testing.T, root reflect.Type) string {
	t.Helper()
	docs := commentsOf(t)
	var b strings.Builder
	b.WriteString(head)
	queue, met := []reflect.Type{root}, map[reflect.Type]bool{root: true}
	for len(queue) > 0 {
		now := queue[0]
		queue = queue[1:]
		title := "`" + now.Name() + "`"
		if now == root {
			title = "The whole file"
		}
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		if now != root {
			fmt.Fprintf(&b, "%s\n\n", inMarkdown(docs[now.Name()]))
		}
		b.WriteString("| key | value | what it is |\n| --- | --- | --- |\n")
		for _, f := range reflect.VisibleFields(now) {
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if f.Anonymous || key == "-" || key == "" {
				continue
			}
			value, inner := valueOf(f.Type)
			owner := now
			if len(f.Index) > 1 {
				owner = now.FieldByIndex(f.Index[:1]).Type
			}
			doc := docs[owner.Name()+"."+f.Name]
			if doc == "" {
				t.Errorf("%s.%s has no comment", owner.Name(), f.Name)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", key, value, inMarkdown(strings.Replace(doc, f.Name, "`"+key+"`", 1)))
			if inner != nil && !met[inner] {
				met[inner] = true
				queue = append(queue, inner)
			}
		}
	}
	return b.String()
}

// valueOf says in words what a value of the type is, and which struct of package spec it leads to, if any.
func valueOf(t reflect.Type) (words string, inner reflect.Type) {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration, such as `36h`", nil
	case t.Kind() == reflect.Pointer:
		return valueOf(t.Elem())
	case t.Kind() == reflect.Slice:
		words, inner = valueOf(t.Elem())
		return "list of " + words, inner
	case t.Kind() == reflect.Struct:
		return fmt.Sprintf("[%s](#%s)", t.Name(), strings.ToLower(t.Name())), t
	default:
		named := map[reflect.Kind]string{reflect.String: "text", reflect.Bool: "true or false"}
		return cmp.Or(named[t.Kind()], "number"), nil
	}
}

// inMarkdown returns a comment as one line of a table.
func inMarkdown(comment string) string {
	return strings.NewReplacer("|", `\|`, "<", `\<`).Replace(strings.Join(strings.Fields(comment), " "))
}

// commentsOf returns the comments of the package's structs and of their fields, by Type and Type.Field.
func commentsOf(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	all := map[string]string{}
	for _, name := range names {
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			d, ok := n.(*ast.GenDecl)
			if !ok || d.Tok != token.TYPE {
				return true
			}
			for _, s := range d.Specs {
				s := s.(*ast.TypeSpec) //nolint:forcetypeassert // a type declaration has these alone
				all[s.Name.Name] = cmp.Or(s.Doc.Text(), d.Doc.Text())
				if st, ok := s.Type.(*ast.StructType); ok {
					for _, f := range st.Fields.List {
						for _, id := range f.Names {
							all[s.Name.Name+"."+id.Name] = f.Doc.Text()
						}
					}
				}
			}
			return true
		})
	}
	return all
}
