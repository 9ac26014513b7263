package model_test

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/agentconf/model"
)

// sourcePaths are the settings that the source of some release reads, in the form of model.Paths.
func sourcePaths(t *testing.T, root string) [][]string {
	t.Helper()
	g := generator{t: t, root: root, files: map[string][]*ast.File{}, fset: token.NewFileSet()}
	return g.pathsOf(nil, "command/agent", nil, ast.NewIdent("Config"))
}

func (g *generator) pathsOf(path []string, pkg string, file *ast.File, expr ast.Expr) [][]string {
	switch e := expr.(type) {
	case *ast.StarExpr:
		return g.pathsOf(path, pkg, file, e.X)
	case *ast.MapType:
		return [][]string{model.Below(path, model.Any)}
	case *ast.ArrayType:
		if star, blocks := e.Elt.(*ast.StarExpr); blocks {
			return g.pathsOfBlock(path, pkg, file, star.X, true)
		}
		return [][]string{path}
	default:
		return g.pathsOfBlock(path, pkg, file, expr, false)
	}
}

// pathsOfBlock are those below a type that has a name. Blocks of which there may be several may have a label.
func (g *generator) pathsOfBlock(path []string, pkg string, file *ast.File, expr ast.Expr, several bool) [][]string {
	name := ""
	switch e := expr.(type) {
	case *ast.SelectorExpr:
		pkg, name = imported(file, e.X.(*ast.Ident).Name), e.Sel.Name
	case *ast.Ident:
		name = e.Name
	}
	if _, err := os.Stat(filepath.Join(g.root, pkg)); err != nil || name == "" || types.Universe.Lookup(name) != nil {
		return [][]string{path} // of Go itself, or of another module
	}
	spec, in := g.find(pkg, name)
	block, is := spec.Type.(*ast.StructType)
	if !is {
		return g.pathsOf(path, pkg, in, spec.Type)
	}
	if several && slices.ContainsFunc(block.Fields.List, func(f *ast.Field) bool { return tagOf(f).Get("hcl") == ",key" }) {
		path = model.Below(path, model.Any)
	}
	var out [][]string
	for _, f := range block.Fields.List {
		for _, n := range f.Names {
			if at := model.NameOf(reflect.StructField{Name: n.Name, Tag: tagOf(f)}); at != "" && at != "-" && n.IsExported() {
				out = append(out, g.pathsOf(model.Below(path, at), pkg, in, f.Type)...)
			}
		}
	}
	if name == "KEKProviderConfig" { // its Config is whatever else stands there
		out = append(out, model.Below(path, model.Any))
	}
	return out
}

func tagOf(f *ast.Field) reflect.StructTag {
	if f.Tag == nil {
		return ""
	}
	text, _ := strconv.Unquote(f.Tag.Value)
	return reflect.StructTag(text)
}

func joined(paths [][]string) []string {
	var out []string
	for _, p := range paths {
		out = append(out, strings.Join(p, "."))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestPathsOfTheSource: the source of the model's own release, read as that of others is, has exactly the model's settings.
func TestPathsOfTheSource(t *testing.T) {
	if diff := cmp.Diff(joined(model.Paths()), joined(sourcePaths(t, source(t, "", model.Releases()[len(model.Releases())-1])))); diff != "" {
		t.Errorf("-model +source:\n%s", diff)
	}
}

// TestProofOfReleases: each setting is first and last in the source of the releases that are written down, of all that are
// compared. It takes a gigabyte of sources, which it removes.
func TestProofOfReleases(t *testing.T) {
	got := model.Lifetimes{Releases: model.Releases(), Since: map[string][]string{}, Until: map[string][]string{}}
	var before []string
	for i, release := range got.Releases {
		paths := joined(sourcePaths(t, source(t, t.TempDir(), release)))
		for _, path := range paths {
			if i > 0 && !slices.Contains(before, path) {
				got.Since[release] = append(got.Since[release], path)
			}
		}
		for _, path := range before {
			if !slices.Contains(paths, path) {
				got.Until[got.Releases[i-1]] = append(got.Until[got.Releases[i-1]], path)
			}
		}
		before = paths
	}
	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("releases.json", append(text, '\n'), 0o644); err != nil { //nolint:gosec // it is for everybody
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(got, model.ReadLifetimes()); diff != "" {
		t.Errorf("releases.json is not what the sources give; write it anew with -update (-sources +file):\n%s", diff)
	}
}

// TestOfWhichReleaseASettingIs: each setting is of one of the releases, and what a later release dropped is found in any case.
func TestOfWhichReleaseASettingIs(t *testing.T) {
	t.Parallel()
	for _, path := range model.Paths() {
		if !slices.Contains(model.Releases(), model.SinceOf(path)) {
			t.Errorf("%s is of %q", strings.Join(path, "."), model.SinceOf(path))
		}
	}
	for path, want := range map[string][2]string{
		"tls.verify_https_client":                      {"1.0.0", ""},
		"keyring.*.active":                             {"1.8.4", ""},
		"server.client_introduction.enforcement":       {"1.11.0", ""},
		"client.artifact.disable_artifact_inspection":  {"1.10.5", ""},
		"client.fingerprint.*.retry_attempts":          {"1.11.3", ""},
		"TLS.Tls_Prefer_Server_Cipher_Suites":          {"", "1.9.0"},
		"vault.allow_unauthenticated":                  {"", "1.10.0"},
		"tls.made_up":                                  {"", ""},
		"client.options.driver.raw_exec.enable.at_all": {"", ""},
	} {
		names := strings.Split(path, ".")
		if got := [2]string{model.SinceOf(names), model.GoneSince(names)}; got != want {
			t.Errorf("%s is there since, and gone since, %q, want %q", path, got, want)
		}
	}
}
