package model_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/agentconf/model"
)

// update writes types.go anew: go test ./lab/agentconf/model -run TestTypesAreNomads -update.
var update = flag.Bool("update", false, "write the file that the test compares with")

// rules are those that Nomad's Merge functions have where the kind of the field alone does not say it. What is not here and
// is looked at by the Merge function of its struct follows the kind; what that function does not look at is kept.
func rules() map[string]string {
	return map[string]string{
		"Config.Consuls":                               "name",
		"Config.Vaults":                                "name",
		"Config.Plugins":                               "plugins",
		"Config.KEKProviders":                          "keyring",
		"Config.Files":                                 "append",
		"ServerConfig.EnabledSchedulers":               "append",
		"ServerConfig.StartJoin":                       "append",
		"ServerConfig.RetryJoin":                       "append",
		"ServerConfig.BootstrapExpect":                 "positive",
		"ServerConfig.DefaultSchedulerConfig":          "whole",
		"ServerConfig.Search":                          "whole",
		"ServerConfig.RaftBoltConfig":                  "whole",
		"ClientConfig.Servers":                         "append",
		"ClientConfig.HostVolumes":                     "replace",
		"ClientConfig.HostNetworks":                    "append",
		"ClientConfig.Fingerprinters":                  "name",
		"ClientTemplateConfig.FunctionDenylist":        "set",
		"ClientTemplateConfig.FunctionBlacklist":       "set",
		"ArtifactConfig.FilesystemIsolationExtraPaths": "set",
		"DrainConfig.IgnoreSystemJobs":                 "true",
		"DrainConfig.Force":                            "true",
		"Telemetry.DataDogTags":                        "set",
		"Telemetry.PrefixFilter":                       "set",
		"Telemetry.AllowedMetadataKeysInMetrics":       "append",
		"UIConfig.Enabled":                             "always",
		"AuditConfig.Sinks":                            "replace",
		"AuditConfig.Filters":                          "replace",
		"SentinelConfig.Imports":                       "append",
		"SentinelConfig.AdditionalEnabledModules":      "append",
		"ReportingConfig.ExportAddress":                "first",
		"ReportingConfig.ExportInterval":               "first",
		"ReportingConfig.ExportIntervalHCL":            "first",
		"ReportingConfig.SnapshotRetentionTime":        "first",
		"ReportingConfig.SnapshotRetentionTimeHCL":     "first",
		"RPCConfig.AcceptBacklog":                      "positive",
		"RPCConfig.KeepAliveInterval":                  "positive",
		"RPCConfig.ConnectionWriteTimeout":             "positive",
		"RPCConfig.StreamOpenTimeout":                  "positive",
		"RPCConfig.StreamCloseTimeout":                 "positive",
		"ClientIntroduction.DefaultIdentityTTL":        "positive",
		"ClientIntroduction.MaxIdentityTTL":            "positive",
		"ConsulConfig.Tags":                            "append",
		"WorkloadIdentityConfig.Audience":              "union",
		"KEKProviderConfig.Active":                     "always",
	}
}

// TestTypesAreNomads: the structs of the model are those of Nomad's source, field by field, with their tags.
func TestTypesAreNomads(t *testing.T) {
	g := generator{t: t, root: source(t, "", model.Releases()[len(model.Releases())-1]), files: map[string][]*ast.File{}, fset: token.NewFileSet(), known: map[string]string{}}
	want := g.generate()
	if *update {
		if err := os.WriteFile("types.go", want, 0o644); err != nil { //nolint:gosec // source is for everybody
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("types.go")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("types.go is not what Nomad's source gives; write it anew with -update (-want +got):\n%s", diff)
	}
	for field := range rules() {
		if !g.used[field] {
			t.Errorf("there is a rule for %s, which Nomad does not have", field)
		}
	}
}

// source is where Go keeps the source of a release of Nomad, which is no module of this one: in the cache, or in Go's own where
// that is empty.
func source(t *testing.T, cache, release string) string {
	t.Helper()
	nomad := "github.com/hashicorp/nomad@v" + release
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", nomad)
	command.Dir = t.TempDir()
	command.Env = append(os.Environ(), "GOFLAGS=-mod=mod -modcacherw", "GOWORK=off")
	if cache != "" {
		command.Env = append(command.Env, "GOMODCACHE="+cache)
	}
	if err := os.WriteFile(filepath.Join(command.Dir, "go.mod"), []byte("module source\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command.Output()
	if err != nil {
		t.Fatalf("the source of %s cannot be had: %v", nomad, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	return module.Dir
}

// generator turns Nomad's structs into the model's.
type generator struct {
	t     *testing.T
	root  string
	fset  *token.FileSet
	files map[string][]*ast.File
	// known are the structs that are written or will be, with the package of each.
	known map[string]string
	queue []string
	used  map[string]bool
}

func (g *generator) generate() []byte {
	g.used = map[string]bool{}
	var out bytes.Buffer
	out.WriteString("// Code generated by TestTypesAreNomads; DO NOT EDIT.\n\npackage model\n\nimport \"time\"\n")
	g.known["Config"] = "command/agent"
	g.queue = []string{"Config"}
	for len(g.queue) > 0 {
		name := g.queue[0]
		g.queue = g.queue[1:]
		g.writeStruct(&out, name)
	}
	text, err := format.Source(out.Bytes())
	if err != nil {
		g.t.Fatalf("%v in\n%s", err, out.String())
	}
	return text
}

// folder reads the files of a package.
func (g *generator) folder(pkg string) []*ast.File {
	if files, read := g.files[pkg]; read {
		return files
	}
	names, err := filepath.Glob(filepath.Join(g.root, pkg, "*.go"))
	if err != nil {
		g.t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_ent.go") {
			continue
		}
		f, err := parser.ParseFile(g.fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			g.t.Fatal(err)
		}
		g.files[pkg] = append(g.files[pkg], f)
	}
	return g.files[pkg]
}

// find is the declaration of a type, and the file that it is in.
func (g *generator) find(pkg, name string) (*ast.TypeSpec, *ast.File) {
	for _, f := range g.folder(pkg) {
		for _, d := range f.Decls {
			decl, is := d.(*ast.GenDecl)
			if !is || decl.Tok != token.TYPE {
				continue
			}
			for _, s := range decl.Specs {
				if spec := s.(*ast.TypeSpec); spec.Name.Name == name {
					return spec, f
				}
			}
		}
	}
	g.t.Fatalf("%s has no type %s", pkg, name)
	return nil, nil
}

// looksAt are the fields that the Merge function of a struct names. has is false for a struct without one.
func (g *generator) looksAt(pkg, name string) (fields map[string]bool, has bool) {
	for _, f := range g.folder(pkg) {
		for _, d := range f.Decls {
			fn, is := d.(*ast.FuncDecl)
			if !is || fn.Name.Name != "Merge" || fn.Recv == nil {
				continue
			}
			if star, is := fn.Recv.List[0].Type.(*ast.StarExpr); !is || star.X.(*ast.Ident).Name != name {
				continue
			}
			fields = map[string]bool{}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				if s, is := n.(*ast.SelectorExpr); is {
					fields[s.Sel.Name] = true
				}
				return true
			})
			return fields, true
		}
	}
	return nil, false
}

func (g *generator) writeStruct(out *bytes.Buffer, name string) {
	pkg := g.known[name]
	spec, file := g.find(pkg, name)
	fields, merges := g.looksAt(pkg, name)
	fmt.Fprintf(out, "\n// %s is Nomad's, %s.\ntype %s struct {\n", name, g.place(spec.Pos()), name)
	for _, f := range spec.Type.(*ast.StructType).Fields.List {
		for _, n := range f.Names {
			tag := reflect.StructTag("")
			if f.Tag != nil {
				text, err := strconv.Unquote(f.Tag.Value)
				if err != nil {
					g.t.Fatal(err)
				}
				tag = reflect.StructTag(text)
			}
			if !n.IsExported() || tag.Get("hcl") == "-" && tag.Get("json") == "-" && n.Name != "Config" {
				continue
			}
			rule := g.rule(name, n.Name, tag, fields, merges)
			fmt.Fprintf(out, "\t%s %s %s// %s\n", n.Name, g.typeOf(pkg, file, f.Type), tagsOf(tag, rule), g.line(n.Pos()))
		}
	}
	out.WriteString("}\n")
}

// rule is what becomes of the field when two files are merged; empty where its kind says it.
func (g *generator) rule(name, field string, tag reflect.StructTag, looksAt map[string]bool, merges bool) string {
	full := name + "." + field
	rule, has := rules()[full]
	g.used[full] = true
	switch {
	case strings.Contains(tag.Get("hcl"), "unusedKeys"):
		return ""
	case merges && !looksAt[field]:
		if has {
			g.t.Errorf("the Merge function of %s does not look at %s, for which there is a rule", name, field)
		}
		return "keep"
	default:
		return rule
	}
}

func tagsOf(tag reflect.StructTag, rule string) string {
	var out []string
	for _, key := range []string{"hcl", "json", "mapstructure"} {
		if value, has := tag.Lookup(key); has {
			out = append(out, fmt.Sprintf("%s:%q", key, value))
		}
	}
	if rule != "" {
		out = append(out, fmt.Sprintf("merge:%q", rule))
	}
	if len(out) == 0 {
		return ""
	}
	return "`" + strings.Join(out, " ") + "` "
}

// typeOf is the type in the model. Types of a basic kind are that kind.
func (g *generator) typeOf(pkg string, file *ast.File, expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.StarExpr:
		return "*" + g.typeOf(pkg, file, e.X)
	case *ast.ArrayType:
		return "[]" + g.typeOf(pkg, file, e.Elt)
	case *ast.MapType:
		return "map[" + g.typeOf(pkg, file, e.Key) + "]" + g.typeOf(pkg, file, e.Value)
	case *ast.InterfaceType:
		return "any"
	case *ast.SelectorExpr:
		of := e.X.(*ast.Ident).Name
		if of == "time" {
			return "time." + e.Sel.Name
		}
		return g.named(imported(file, of), e.Sel.Name)
	case *ast.Ident:
		if slices.Contains([]string{"string", "bool", "int", "int64", "uint64", "float64"}, e.Name) {
			return e.Name
		}
		return g.named(pkg, e.Name)
	default:
		g.t.Fatalf("a type of kind %T", expr)
		return ""
	}
}

func (g *generator) named(pkg, name string) string {
	spec, file := g.find(pkg, name)
	if _, is := spec.Type.(*ast.StructType); !is {
		return g.typeOf(pkg, file, spec.Type)
	}
	switch was, known := g.known[name]; {
	case known && was != pkg:
		g.t.Fatalf("both %s and %s have a struct %s", was, pkg, name)
	case !known:
		g.known[name] = pkg
		g.queue = append(g.queue, name)
	}
	return name
}

// imported is the folder of a package that a file calls so.
func imported(file *ast.File, name string) string {
	for _, i := range file.Imports {
		at := strings.Trim(i.Path.Value, `"`)
		if (i.Name != nil && i.Name.Name == name) || (i.Name == nil && filepath.Base(at) == name) {
			return strings.TrimPrefix(at, "github.com/hashicorp/nomad/")
		}
	}
	return name
}

func (g *generator) place(pos token.Pos) string {
	at := g.fset.Position(pos)
	return strings.TrimPrefix(at.Filename, g.root+"/") + ":" + strconv.Itoa(at.Line)
}

func (g *generator) line(pos token.Pos) string { return ":" + strconv.Itoa(g.fset.Position(pos).Line) }
