package settings_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/agentconf/model"
	"nomadlab.internal/lab/agentconf/settings"
)

// missing compares the table with the paths that Nomad reads: it returns what the table lacks and what it has too much. Where the
// model has Any at the end, the table may have names besides.
func missing(table settings.Table, paths [][]string) (lacks, surplus []string) {
	has := func(names []string) bool {
		return slices.ContainsFunc(table, func(s settings.Setting) bool { return slices.Equal(s.Names, names) })
	}
	for _, path := range paths {
		if !has(path) {
			lacks = append(lacks, strings.Join(path, "."))
		}
	}
	for _, s := range table {
		known := slices.ContainsFunc(paths, func(path []string) bool { return allows(path, s.Names) })
		if !known {
			surplus = append(surplus, s.Path())
		}
	}
	return lacks, surplus
}

// allows says whether the names are a path's, or one of those that its Any stands for; in a plugin's config also what is in a block.
func allows(path, names []string) bool {
	if len(names) < len(path) || len(names) > len(path) && path[0] != "plugin" {
		return false
	}
	for i, name := range path {
		if name != names[i] && name != model.Any {
			return false
		}
	}
	return true
}

// TestTableIsNomads: every setting that Nomad 1.11.3 reads is in the table, once, and no other is.
func TestTableIsNomads(t *testing.T) {
	table := settings.All()
	lacks, surplus := missing(table, model.Paths())
	if len(lacks)+len(surplus) > 0 {
		t.Errorf("the table lacks %q, and has too much: %q", lacks, surplus)
	}
	seen := map[string]bool{}
	for _, s := range table {
		if seen[s.Path()] {
			t.Errorf("%s is there twice", s.Path())
		}
		seen[s.Path()] = true
	}
}

// TestTableCanLack: a row that is taken out, and one that is made up, are found.
func TestTableCanLack(t *testing.T) {
	table := settings.All()
	table[7].Names = []string{"tls", "made_up"}
	lacks, surplus := missing(table, model.Paths())
	if len(lacks) != 1 || !slices.Equal(surplus, []string{"tls.made_up"}) {
		t.Errorf("it lacks %q, and has too much: %q", lacks, surplus)
	}
}

func TestFind(t *testing.T) {
	table := settings.All()
	for path, want := range map[string]string{
		"tls http":                               "tls.http",
		"TLS HTTP":                               "tls.http",
		"client options driver.raw_exec.enable":  `client.options."driver.raw_exec.enable"`,
		"client options other":                   "client.options.*",
		"client host_volume data path":           "client.host_volume.*.path",
		"consul token":                           "consul.token",
		"vault default_identity ttl":             "vault.default_identity.ttl",
		"keyring awskms secret_key":              "keyring.*.secret_key",
		"keyring awskms region":                  "keyring.*.*",
		"plugin docker config volumes enabled":   "plugin.docker.config.volumes.enabled",
		"plugin docker config auth unknown":      "plugin.*.config.*",
		"plugin podman config auth a b password": "plugin.*.config.*",
		"plugin docker args":                     "plugin.*.args",
		"tls":                                    "",
		"tls unknown":                            "",
		"tls http more":                          "",
	} {
		got, _ := table.Find(strings.Fields(path))
		if got.Names == nil {
			got.Names = []string{""}
		}
		if got.Path() != want {
			t.Errorf("%s: %q, want %q", path, got.Path(), want)
		}
	}
}

// TestShown: how an agent shows a setting, by Nomad's structs.
func TestShown(t *testing.T) {
	got := map[string]model.Shown{}
	for _, path := range []string{"tls.http", "acl.role_ttl", "server.encrypt", "keyring.*.token", "plugin.docker.config.auth.helper", "tls.unknown"} {
		got[path], _ = model.ShownOf(strings.Split(path, "."))
	}
	want := map[string]model.Shown{
		"tls.http": model.ShownAsSet, "acl.role_ttl": model.ShownAsNumber, "server.encrypt": model.NotShown, "keyring.*.token": model.NotShown,
		"plugin.docker.config.auth.helper": model.ShownAsSet, "tls.unknown": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// configSpec is the variable of a driver's source that says which options its config has.
const configSpec = "configSpec"

// driverOptions are the options of a driver of Nomad's own, read from the hclspec of its source: their paths inside of config.
func driverOptions(t *testing.T, root, driver, file string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "drivers", driver, file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	specs := map[string]ast.Expr{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if v, is := n.(*ast.ValueSpec); is && len(v.Values) == len(v.Names) {
			for i, name := range v.Names {
				specs[name.Name] = v.Values[i]
			}
		}
		return true
	})
	var options func(path string, of ast.Node) []string
	options = func(path string, of ast.Node) (out []string) {
		var inner *ast.CompositeLit
		ast.Inspect(of, func(n ast.Node) bool {
			if name, is := n.(*ast.Ident); is && specs[name.Name] != nil {
				ast.Inspect(specs[name.Name], func(n ast.Node) bool {
					if lit, is := n.(*ast.CompositeLit); is && inner == nil {
						inner = lit
					}
					return inner == nil
				})
			}
			if lit, is := n.(*ast.CompositeLit); is && inner == nil {
				inner = lit
			}
			return inner == nil
		})
		if inner == nil {
			return []string{path}
		}
		for _, e := range inner.Elts {
			pair, is := e.(*ast.KeyValueExpr)
			if !is {
				continue
			}
			name, is := pair.Key.(*ast.BasicLit)
			if !is {
				continue
			}
			below, err := strconv.Unquote(name.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, options(strings.TrimPrefix(path+"."+below, "."), pair.Value)...)
		}
		return out
	}
	return options("", specs[configSpec])
}

// TestDriversAreNomads: every option of Nomad's own drivers has a row of its own, and no other has.
func TestDriversAreNomads(t *testing.T) {
	root := nomadSource(t)
	var want, got []string
	for driver, file := range map[string][2]string{
		"docker": {"docker", "config.go"}, "exec": {"exec", "driver.go"}, "java": {"java", "driver.go"},
		"raw_exec": {"rawexec", "driver.go"}, "qemu": {"qemu", "driver.go"},
	} {
		for _, option := range driverOptions(t, root, file[0], file[1]) {
			want = append(want, "plugin."+driver+".config."+option)
		}
	}
	for _, s := range settings.All() {
		if len(s.Names) > 3 && s.Names[0] == "plugin" && s.Names[1] != settings.Any {
			got = append(got, s.Path())
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the drivers' options (-Nomad's +the table's):\n%s", diff)
	}
}

// TestOptionsAreNomads: every name that Nomad reads from client.options has a row of its own, and no other has.
func TestOptionsAreNomads(t *testing.T) {
	root := nomadSource(t)
	reads := regexp.MustCompile(`(?:opts\[|\.Read\w+\(|\[\]string\{|Config += |Option += )"((?:docker|driver|user|fingerprint|test)\.[a-z_.]+)"(?:, "([a-z_.]+)")?`)
	known := map[string]bool{}
	for _, file := range []string{
		"drivers/docker/config.go", "drivers/rawexec/driver.go", "client/client.go", "client/fingerprint_manager.go",
		"client/allocrunner/taskrunner/validate_hook.go", "client/fingerprint/fingerprint.go", "client/fingerprint/network.go",
	} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range reads.FindAllStringSubmatch(string(text), -1) {
			known[found[1]] = true
			if found[2] != "" {
				known[found[2]] = true
			}
		}
	}
	got := map[string]bool{}
	for _, s := range settings.All() {
		if strings.HasPrefix(s.Path(), "client.options.") && s.Names[2] != settings.Any {
			got[s.Names[2]] = true
		}
	}
	if diff := cmp.Diff(known, got); diff != "" {
		t.Errorf("the options (-Nomad's +the table's):\n%s", diff)
	}
}

// nomadSource is where Go keeps the source of Nomad, which is no module of this one.
func nomadSource(t *testing.T) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", "github.com/hashicorp/nomad@v1.11.3")
	command.Dir = t.TempDir()
	command.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if err := os.WriteFile(filepath.Join(command.Dir, "go.mod"), []byte("module source\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command.Output()
	if err != nil {
		t.Fatalf("Nomad's source cannot be had: %v", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	return module.Dir
}
