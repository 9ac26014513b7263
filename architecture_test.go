// Package nomadlab_test holds rules for the whole module: which package may import which, its vocabulary, and that every proof is
// run.
package nomadlab_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// module is the module's path. Packages are named by their folder below it.
const module = "nomadlab.internal"

// room has the packages of this module that a package may import: mayImport for all its files, testsMayImport in addition for
// its tests. Tests may always import their own package.
type room struct{ mayImport, testsMayImport []string }

// rooms returns the rule for each package. A package without one fails the test.
func rooms() map[string]room {
	everythingBelow := []string{
		"fixtures", "lab", "lab/agentconf", "lab/authority/vault", "lab/certificate", "lab/certificate/reader", "lab/compose", "internal/deadline", "lab/engine", "lab/engine/docker",
		"lab/engine/engines", "lab/finding", "lab/fit", "lab/image", "lab/inspect", "lab/mutation", "lab/pki",
		"lab/plan", "lab/poll", "lab/posture", "lab/posture/catalogue", "lab/posture/matrix",
		"lab/posture/caller", "lab/probe", "lab/regress", "lab/regress/lock", "lab/report", "lab/spec",
		"lab/load", "lab/observe", "lab/rehearsal", "lab/rollout", "lab/scenario", "lab/timeline", "internal/userfile", "internal/watchdog",
	}
	return map[string]room{
		".": {},
		"cmd/nomadlab": {
			mayImport:      append([]string{"scenarios"}, everythingBelow...),
			testsMayImport: []string{"lab/labtest"},
		},
		"bench":     {mayImport: append([]string{"internal/procfs"}, everythingBelow...)},
		"scenarios": {mayImport: append([]string{"lab/authority", "lab/authority/nomadcli"}, everythingBelow...), testsMayImport: []string{"lab/labtest"}},
		"lab/labtest": {
			mayImport:      []string{"lab", "internal/deadline", "lab/engine", "lab/engine/engines", "lab/finding", "lab/image", "lab/poll", "lab/spec", "lab/scenario"},
			testsMayImport: []string{"lab/image", "lab/inspect", "lab/pki", "lab/plan", "lab/probe"},
		},
		// A program that a test of lab/labtest runs as the reaper of testcontainers.
		"lab/labtest/testdata/reaper": {},
		"lab/scenario":                {mayImport: []string{"lab", "internal/deadline", "lab/engine", "lab/finding", "lab/posture", "lab/spec", "lab/timeline"}},
		// Change of a running lab, the work beside it, and what is seen of it. They know no scenario.
		"lab/rollout": {
			mayImport: []string{
				"internal/deadline", "lab", "lab/agentconf", "lab/agentconf/settings", "lab/authority", "lab/engine", "lab/image", "lab/pki", "lab/plan", "lab/poll", "lab/probe", "lab/spec", "lab/timeline",
			},
			testsMayImport: []string{"lab/labtest"},
		},
		"lab/load": {
			mayImport:      []string{"fixtures", "internal/deadline", "lab", "lab/engine", "lab/pki", "lab/poll", "lab/timeline"},
			testsMayImport: []string{"lab/labtest", "lab/spec"},
		},
		"lab/observe": {
			mayImport:      []string{"internal/deadline", "lab", "lab/pki", "lab/poll", "lab/probe", "lab/timeline"},
			testsMayImport: []string{"lab/labtest", "lab/rollout", "lab/spec"},
		},
		"lab/posture": {mayImport: []string{"internal/deadline", "lab/finding", "lab/pki", "lab/poll", "lab/probe"}},
		"lab/posture/catalogue": {
			mayImport: []string{"internal/deadline", "lab/finding", "lab/pki", "lab/poll", "lab/posture", "lab/posture/caller", "lab/probe"},
		},
		// What is known to be wrong with versions of Nomad: data alone.
		"lab/advisory":       {testsMayImport: []string{"lab/posture", "lab/posture/catalogue"}},
		"lab/posture/caller": {mayImport: []string{"lab/probe", "lab/pki"}, testsMayImport: []string{"lab/labtest", "lab/spec"}},
		"lab/probe":          {mayImport: []string{"internal/deadline", "lab/pki", "lab/poll"}},
		"lab/report":         {mayImport: []string{"lab/finding", "lab/timeline"}},
		"lab/inspect": {
			mayImport: []string{
				"fixtures", "lab", "lab/advisory", "internal/deadline", "lab/engine", "lab/finding", "lab/pki", "lab/poll", "lab/posture",
				"lab/posture/catalogue", "lab/posture/matrix", "lab/posture/caller", "lab/probe", "lab/spec",
				"internal/userfile",
			},
			testsMayImport: []string{"lab/labtest"},
		},
		// Where certificates come from. The packages below it know no lab and no engine.
		"lab/authority": {mayImport: []string{"lab/pki"}},
		"lab/authority/nomadcli": {
			mayImport: []string{"lab/authority", "lab/pki", "lab/spec"}, testsMayImport: []string{"internal/deadline", "lab/image", "lab/poll"},
		},
		"lab/authority/folder": {
			mayImport:      []string{"internal/tlsfile", "internal/userfile", "lab/authority", "lab/pki", "lab/spec"},
			testsMayImport: []string{"internal/deadline", "lab/image", "lab/poll"},
		},
		"lab/authority/vault": {
			mayImport:      []string{"internal/userfile", "lab/authority", "lab/authority/vault/render", "lab/pki", "lab/poll", "lab/spec"},
			testsMayImport: []string{"internal/deadline", "lab/image"},
		},
		"lab/authority/vault/render": {mayImport: []string{"lab/pki"}},
		"lab/authority/cfssl":        {mayImport: []string{"lab/authority", "lab/pki", "lab/spec"}},
		// What is said of certificates: pure. Its tests compare it with what a real server does.
		"lab/certificate": {
			mayImport:      []string{"lab/pki", "lab/posture/catalogue"},
			testsMayImport: []string{"lab/agentconf", "lab/certificate/reader", "lab/image", "lab/inspect", "lab/labtest", "lab/probe", "lab/spec"},
		},
		"lab/certificate/reader": {
			mayImport: []string{"internal/deadline", "internal/userfile", "lab/certificate", "lab/pki", "lab/spec"},
		},
		"lab/posture/matrix": {mayImport: []string{"lab/posture", "lab/posture/caller", "lab/probe", "lab/pki", "lab/finding"}},
		"lab/regress/lock":   {mayImport: []string{"lab/agentconf", "lab/finding", "lab/fit", "lab/spec"}},
		"lab": {
			mayImport: []string{
				"fixtures", "internal/state", "lab/agentconf", "lab/authority", "lab/authority/cfssl", "lab/authority/folder",
				"lab/authority/nomadcli", "lab/authority/vault", "lab/authority/vault/render",
				"lab/advisory", "internal/deadline", "lab/engine",
				"lab/image", "lab/pki", "lab/plan", "lab/poll", "lab/spec", "internal/watchdog",
			},
			testsMayImport: []string{"internal/spectest", "lab/engine/docker", "lab/labtest"},
		},
		// The one reader of /proc, for the watchdog, the engine of processes and bench.
		"internal/procfs": {},
		// Shared by several packages' tests; no program imports it.
		"internal/spectest": {mayImport: []string{"lab/agentconf", "lab/pki", "lab/plan", "lab/spec"}},
		// A lab's files on disk. Of package engine it uses only the form of a file: engines know what runs.
		"internal/state": {
			mayImport:      []string{"internal/deadline", "lab/engine", "lab/pki", "lab/plan", "lab/spec"},
			testsMayImport: []string{"internal/spectest"},
		},
		"lab/fit": {mayImport: []string{"lab/agentconf"}},
		"lab/mutation": {
			mayImport: []string{
				"lab", "internal/deadline", "lab/engine", "lab/finding", "lab/inspect", "lab/pki", "lab/poll",
				"lab/posture/catalogue", "lab/probe", "lab/spec",
			},
			testsMayImport: []string{"lab/agentconf", "lab/labtest", "lab/posture"},
		},
		"lab/regress": {
			mayImport: []string{
				"lab", "lab/agentconf", "lab/agentconf/settings", "lab/certificate", "internal/deadline", "lab/engine", "lab/finding",
				"lab/fit", "lab/inspect", "lab/mutation", "lab/pki", "lab/plan", "lab/posture", "lab/posture/catalogue",
				"lab/probe", "lab/regress/lock", "lab/spec", "internal/tlsfile", "internal/userfile",
			},
			testsMayImport: []string{"fixtures", "lab/agentconf/model", "lab/engine/engines", "lab/labtest", "lab/report"},
		},
		// A user's change, rolled out on a lab: what regress reads, rollout changes, and load notices.
		"lab/rehearsal": {
			mayImport: []string{
				"internal/deadline", "lab", "lab/agentconf", "lab/finding", "lab/fit", "lab/inspect", "lab/load", "lab/observe", "lab/pki", "lab/plan",
				"lab/poll", "lab/regress", "lab/regress/lock", "lab/rollout", "lab/spec", "lab/timeline",
			},
			testsMayImport: []string{"fixtures", "lab/labtest"},
		},
		"lab/compose":        {mayImport: []string{"internal/state", "lab/agentconf", "lab/image", "lab/pki", "lab/plan", "lab/spec"}},
		"lab/engine":         {},
		"lab/engine/engines": {mayImport: []string{"lab/engine", "lab/engine/docker", "lab/engine/process"}},
		"lab/engine/docker": {
			mayImport:      []string{"internal/deadline", "lab/engine", "lab/poll", "internal/watchdog"},
			testsMayImport: []string{"lab/engine/enginetest", "lab/image"},
		},
		"lab/engine/process": {
			mayImport: []string{"internal/procfs", "internal/deadline", "lab/engine", "lab/poll", "internal/watchdog"}, testsMayImport: []string{"lab/engine/enginetest"},
		},
		// The suite that every engine passes. Its tests put faults into a real engine, and see the suite fail.
		"lab/engine/enginetest": {
			mayImport: []string{"internal/deadline", "lab/engine", "lab/poll", "internal/watchdog"}, testsMayImport: []string{"lab/engine/process"},
		},
		"lab/image": {mayImport: []string{"fixtures", "internal/deadline", "lab/poll"}},
		"lab/agentconf": {
			mayImport: []string{"lab/agentconf/model", "lab/agentconf/settings"}, testsMayImport: []string{"fixtures", "internal/deadline", "lab/image"},
		},
		// Nomad's own reading of a configuration. Its tests read Nomad's source.
		"lab/agentconf/model": {},
		// The meaning of each setting. Its tests compare it with the model.
		"lab/agentconf/settings": {testsMayImport: []string{"lab/agentconf/model"}},
		"internal/deadline":      {mayImport: []string{"internal/procfs"}},
		"lab/finding":            {mayImport: []string{"lab/timeline"}},
		"lab/timeline":           {},
		"lab/poll":               {testsMayImport: []string{"internal/deadline"}},
		// The Spec. Its tests compare what it refuses with what a plan refuses.
		"lab/spec": {
			mayImport: []string{"lab/agentconf", "lab/pki", "internal/userfile"}, testsMayImport: []string{"internal/spectest", "lab/plan"},
		},
		// The plan. Spec and plan are pure: TestSpecReachesNothing and TestPlanReachesNothing check that.
		"lab/plan": {
			mayImport:      []string{"lab/agentconf", "lab/agentconf/settings", "lab/authority/vault/render", "lab/fit", "lab/pki", "lab/spec"},
			testsMayImport: []string{"internal/spectest"},
		},
		// What checks of a user's files and the source that issues from them share.
		"internal/tlsfile":                 {mayImport: []string{"lab/pki"}},
		"internal/userfile":                {},
		"lab/pki":                          {mayImport: []string{"internal/userfile"}, testsMayImport: []string{"internal/deadline"}},
		"internal/watchdog":                {mayImport: []string{"internal/procfs", "internal/deadline", "lab/poll"}},
		"internal/watchdog/testdata/pause": {},
		// A program that a test of lab/engine/docker runs inside a container.
		"lab/engine/docker/testdata/inside": {mayImport: []string{"lab/engine", "lab/engine/docker"}},
		// Nomad itself validates its configurations, and starts with them.
		"fixtures": {testsMayImport: []string{"lab/image", "lab/pki", "lab/posture/catalogue"}},
		// A program of the same tests that listens on a container's loopback.
		"lab/engine/docker/testdata/listen": {},
	}
}

// seesTesting returns the packages that may import package testing outside tests. The command imports neither, because testing
// would add its flags.
func seesTesting() []string { return []string{"lab/labtest", "lab/engine/enginetest"} }

// hasInit is the package with the module's only init function.
const hasInit = "internal/watchdog"

// source has the parts of a Go file that the rules check.
type source struct {
	pkg, file string
	imports   []string
	init      bool
}

func (s source) isTest() bool { return strings.HasSuffix(s.file, "_test.go") }

func TestArchitecture(t *testing.T) {
	sources := readModule(t)
	if len(sources) == 0 {
		t.Fatal("no Go file was found: the test would prove nothing")
	}
	for _, v := range violations(rooms(), sources) {
		t.Error(v)
	}
}

// TestArchitectureCanFail violates each rule once, beside a control that keeps it.
func TestArchitectureCanFail(t *testing.T) {
	plan := map[string]room{"a": {mayImport: []string{"b"}, testsMayImport: []string{"c"}}, "b": {}, "c": {}, hasInit: {}}
	for _, name := range seesTesting() {
		plan[name] = room{}
	}
	var others []source // one file in each room, so that none is empty
	for name := range plan {
		others = append(others, source{pkg: name, file: name + "/doc.go"})
	}
	of := func(file string, imports ...string) source {
		return source{pkg: path.Dir(file), file: file, imports: imports}
	}
	withInit := func(s source) source { s.init = true; return s }
	for _, c := range []struct {
		rule         string
		wrong, right source
	}{
		{"an import that is not in the table", of("a/x.go", module+"/c"), of("a/x.go", module+"/b", "fmt")},
		{"the same in a test", of("b/x_test.go", module+"/c"), of("a/x_test.go", module+"/c")},
		{"an import of the one above", of("b/x.go", module+"/a"), of("b/x_test.go", module+"/b")},
		{"the module's root, which no package may import", of("a/x.go", module), of("a/x.go", module+".other/a")},
		{"a package that is not in the table", of("new/x.go"), of("b/x.go")},
		{"testing outside tests", of("b/x.go", "testing"), of("b/x_test.go", "testing")},
		{"a package below testing outside tests", of("b/x.go", "testing/fstest"), of(seesTesting()[0]+"/x.go", "testing")},
		{"testing beside a package that may import it", of("b/y.go", "testing"), of(seesTesting()[1]+"/x.go", "testing")},
		{"an import of the suite of engines outside tests", of("a/x.go", module+"/lab/engine/enginetest"), of("a/x.go", module+"/b")},
		{"an init function", withInit(of("b/x.go")), withInit(of(hasInit + "/x.go"))},
	} {
		t.Run(c.rule, func(t *testing.T) {
			if got := violations(plan, append(others, c.wrong)); len(got) != 1 || !strings.Contains(got[0], c.wrong.file) {
				t.Errorf("wrong: got %q, want one violation that names %s", got, c.wrong.file)
			}
			if got := violations(plan, append(others, c.right)); len(got) != 0 {
				t.Errorf("right: got %q, want none", got)
			}
		})
	}
	t.Run("a row whose package is gone", func(t *testing.T) {
		if got := violations(plan, others[1:]); len(got) != 1 || !strings.Contains(got[0], others[0].pkg) {
			t.Errorf("got %q, want one violation that names %s", got, others[0].pkg)
		}
	})
	t.Run("a permission for a package that is not in the table", func(t *testing.T) {
		plan["a"] = room{mayImport: []string{"b", "typo"}}
		if got := violations(plan, others); len(got) != 1 || !strings.Contains(got[0], "typo") {
			t.Errorf("got %q, want one violation that names the typo", got)
		}
	})
}

// violations returns a sentence for each violation of the rules.
func violations(plan map[string]room, sources []source) []string {
	var out []string
	inhabited := map[string]bool{}
	for _, s := range sources {
		inhabited[s.pkg] = true
		out = append(out, s.violations(plan)...)
	}
	for name, r := range plan {
		if !inhabited[name] {
			out = append(out, fmt.Sprintf("the table has %s, which has no Go file: remove its row", name))
		}
		for _, other := range slices.Concat(r.mayImport, r.testsMayImport) {
			if _, known := plan[other]; !known {
				out = append(out, fmt.Sprintf("the table lets %s import %s, which is not in the table: add it or mend its name", name, other))
			}
		}
	}
	slices.Sort(out)
	return out
}

func (s source) violations(plan map[string]room) []string {
	r, known := plan[s.pkg]
	if !known {
		return []string{fmt.Sprintf("%s: package %s is not in the table of architecture_test.go: say there what it may import", s.file, s.pkg)}
	}
	allowed := r.mayImport
	if s.isTest() {
		allowed = slices.Concat(r.mayImport, r.testsMayImport, []string{s.pkg})
	}
	var out []string
	for _, i := range s.imports {
		if ours, is := below(i); is && !slices.Contains(allowed, ours) {
			out = append(out, fmt.Sprintf("%s imports %s, and may import only %v", s.file, ours, allowed))
		}
		if (i == "testing" || strings.HasPrefix(i, "testing/")) && !s.isTest() && !slices.Contains(seesTesting(), s.pkg) {
			out = append(out, fmt.Sprintf("%s imports %s, and outside tests only %v may", s.file, i, seesTesting()))
		}
	}
	if s.init && s.pkg != hasInit {
		out = append(out, fmt.Sprintf("%s has an init function, and only %s may", s.file, hasInit))
	}
	return out
}

// below returns the folder of an import path of this module.
func below(importPath string) (folder string, ours bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// readModule reads every Go file below this folder, for every system. It leaves out folders that the go command ignores, whose
// names begin with a dot or an underscore.
func readModule(t *testing.T) []source {
	t.Helper()
	var out []source
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && strings.ContainsAny(d.Name()[:1], "._") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		s, err := readSource(name)
		out = append(out, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func readSource(name string) (source, error) {
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	s := source{pkg: path.Dir(name), file: name}
	for _, i := range f.Imports {
		s.imports = append(s.imports, strings.Trim(i.Path.Value, `"`+"`"))
	}
	for _, d := range f.Decls {
		if fn, is := d.(*ast.FuncDecl); is && fn.Recv == nil && fn.Name.Name == "init" {
			s.init = true
		}
	}
	return s, nil
}
