package image_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gofrs/flock"

	"nomadlab.internal/fixtures"
	"nomadlab.internal/lab/image"
)

func TestParsePart(t *testing.T) {
	for _, part := range image.Parts() {
		if got, err := image.ParsePart(part.Name()); got != part || err != nil {
			t.Errorf("%s: got %q (%v)", part, got, err)
		}
	}
	for _, name := range []string{"", "consul", "Vault", "vault "} {
		got, err := image.ParsePart(name)
		if !errors.Is(err, image.ErrUnknownPart) || !strings.Contains(err.Error(), "nomad, vault, consul-template") {
			t.Errorf("%q: got %q (%v)", name, got, err)
		}
	}
}

func TestZeroPartIsNomad(t *testing.T) {
	var zero image.Part
	for name, pair := range map[string][2]string{
		"name": {zero.Name(), "nomad"}, "title": {zero.Title(), "Nomad"}, "version": {zero.DefaultVersion(), image.DefaultVersion},
		"path": {zero.Path(), "/bin/nomad"}, "flag": {zero.Flag(), "--nomad-binary"}, "image": {zero.Official("1.2.3"), "hashicorp/nomad:1.2.3"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", name, pair[0], pair[1])
		}
	}
}

func TestUnknownPartIsRefused(t *testing.T) {
	l := newBuilder(t, newTestRecipe(t, testSource(version), true))
	r := image.Request{Part: "consul", Version: version}
	if _, _, err := l.binary(t.Context(), r); !errors.Is(err, image.ErrUnknownPart) {
		t.Errorf("ResolveBinary: %v", err)
	}
	if _, err := l.Cached(t.Context(), nil, r); !errors.Is(err, image.ErrUnknownPart) {
		t.Errorf("Cached: %v", err)
	}
}

func TestLicences(t *testing.T) {
	const mozilla, business = "the Mozilla Public License 2.0", "the Business Source License 1.1"
	for _, c := range []struct {
		part          image.Part
		version, want string
	}{
		{image.Nomad, "1.6.10", mozilla},
		{image.Nomad, "1.7.0", business},
		{image.Nomad, "1.11.3", business},
		{image.Vault, "1.14.13", mozilla},
		{image.Vault, "1.15.0", business},
		{image.Vault, "1.21.0", business},
		{image.ConsulTemplate, "0.41.1", mozilla},
	} {
		if got := image.Licence(c.part, c.version); got != c.want {
			t.Errorf("%s %s is under %s, want %s", c.part, c.version, got, c.want)
		}
	}
}

// TestVersionsInWords has the answers of real programs, and of others.
func TestVersionsInWords(t *testing.T) {
	for _, c := range []struct {
		part         image.Part
		answer, want string // "": it is refused
	}{
		{image.Nomad, "Nomad v1.11.3\nBuildDate 2025-01-01\nRevision abc", "1.11.3"},
		{image.Nomad, "Nomad v1.4.3 (f464aca721d222ae9c1f3df643b3c3aaa20e2da7)", "1.4.3"},
		{image.Vault, "Vault v1.21.0, built 2025-11-30T23:59:55Z", "1.21.0"},
		{image.Vault, "Vault v1.15.0 (b4d07277a6c5318bb50d3b94bbd6135dccb4c601), built 2023-09-22T16:53:10Z", "1.15.0"},
		{image.Vault, "Vault v1.21.0+ent, built 2025-10-22", "1.21.0+ent"},
		{image.ConsulTemplate, "consul-template v0.41.1 ()", "0.41.1"},
		{image.ConsulTemplate, "consul-template v0.41.1 (abcdef12)", "0.41.1"},
		{image.Vault, "Nomad v1.11.3", ""},
		{image.Nomad, "Vault v1.21.0, built 2025-11-30T23:59:55Z", ""},
		{image.ConsulTemplate, "Consul v1.22.3", ""},
		{image.Vault, "", ""},
	} {
		path := write(t, t.TempDir(), "program", []byte("#!/bin/sh\ncat <<'END'\n"+c.answer+"\nEND\n"))
		l := newBuilder(t, newTestRecipe(t, testSource(version), true))
		e, _, err := l.binary(t.Context(), image.Request{Part: c.part, Binary: path})
		if c.want == "" {
			if !errors.Is(err, image.ErrUnusableBinary) || !strings.Contains(err.Error(), "this is not "+c.part.Name()) {
				t.Errorf("%s, which says %q: got %+v (%v)", c.part, c.answer, e, err)
			}
			continue
		}
		if err != nil || e != (image.Executable{Part: c.part, Path: path, Version: c.want, Source: image.Named}) {
			t.Errorf("%s, which says %q: got %+v (%v)", c.part, c.answer, e, err)
		}
	}
}

// TestPartsAreAskedForTheirVersion: consul-template knows no command "version".
func TestPartsAreAskedForTheirVersion(t *testing.T) {
	for part, argument := range map[image.Part]string{image.Nomad: "version", image.Vault: "version", image.ConsulTemplate: "-version"} {
		script := "#!/bin/sh\ntest \"$*\" = " + argument + " && echo '" + part.Title() + " v0.0.3'\n"
		path := write(t, t.TempDir(), "program", []byte(script))
		l := newBuilder(t, newTestRecipe(t, testSource(version), true))
		if e, _, err := l.binary(t.Context(), image.Request{Part: part, Binary: path}); err != nil || e.Version != "0.0.3" {
			t.Errorf("%s: got %+v (%v)", part, e, err)
		}
	}
}

// TestPartsAreNotMixedUp: all parts have the same version, in one cache.
func TestPartsAreNotMixedUp(t *testing.T) {
	t.Parallel()
	l := testSources{image.Sources{Cache: t.TempDir()}, nil}
	recipes, environments := newPartRecipes(t)
	l.Recipes = recipes
	ask := func(part image.Part) (image.Executable, stages) {
		t.Helper()
		e, seen, err := l.binary(t.Context(), image.Request{Part: part, Version: version, Environment: environments[part]})
		if err != nil || e.Part != part || e.Version != version {
			t.Fatalf("%s: got %+v (%v)", part, e, err)
		}
		if got := says(t, e.Path); got != part.Title()+" v"+version {
			t.Errorf("%s at %s says %q", part, e.Path, got)
		}
		return e, seen
	}
	var want []image.Executable
	for _, part := range image.Parts() {
		e, seen := ask(part)
		if e.Source != image.Built || seen.String() != "licence build" || !strings.HasPrefix(filepath.Base(e.Path), part.Name()+"-"+version+"-") {
			t.Errorf("got %+v by way of %q", e, seen)
		}
		e.Source = image.Local
		want = append(want, e)
	}
	for _, e := range want {
		if again, seen := ask(e.Part); again != e || len(seen) != 0 {
			t.Errorf("the second time: got %+v by way of %q, want %+v", again, seen, e)
		}
	}
	found, err := l.Binaries()
	if err != nil || len(found) != len(want) {
		t.Fatalf("the list is %+v (%v), want %+v", found, err, want)
	}
	for i := range want {
		if found[i] != want[i] {
			t.Errorf("the list has %+v, want %+v", found[i], want[i])
		}
	}
	// A program of another part under a part's name is not taken.
	vault, nomad := want[1].Path, want[0].Path
	if err := errors.Join(os.Remove(vault), os.Link(nomad, vault)); err != nil {
		t.Fatal(err)
	}
	if e, seen := ask(image.Vault); e.Source != image.Built || seen.String() != "licence build" {
		t.Errorf("with nomad in the place of vault: got %+v by way of %q", e, seen)
	}
	l.wantNoWork(t)
}

// TestPartsDoNotWaitForEachOther: whoever wants Nomad does not wait for a run that builds Vault, and removes what a killed one
// left.
func TestPartsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	l := testSources{image.Sources{Cache: t.TempDir()}, nil}
	recipes, environments := newPartRecipes(t)
	l.Recipes = recipes
	stale := filepath.Join(l.Cache, "vault-build-of-a-killed-run")
	if err := os.MkdirAll(stale, 0o700); err != nil {
		t.Fatal(err)
	}
	building := flock.New(filepath.Join(l.Cache, "vault-lock"))
	if err := building.Lock(); err != nil {
		t.Fatal(err)
	}
	request := func(part image.Part) image.Request {
		return image.Request{Part: part, Version: version, Environment: environments[part]}
	}
	if _, seen, err := l.binary(t.Context(), request(image.Nomad)); err != nil || seen.String() != "licence build" {
		t.Errorf("Nomad beside a build of Vault: by way of %q (%v)", seen, err)
	}
	if left := l.work(t); len(left) != 1 {
		t.Errorf("of a build of Vault that goes on there is %v", left)
	}
	waited := false
	e, err := l.ResolveBinary(t.Context(), request(image.Vault), func(e image.Event) {
		if e.Stage == image.StageWait && !waited {
			waited = true
			_ = building.Close()
		}
	})
	if err != nil || e.Source != image.Built || !waited {
		t.Errorf("Vault beside a build of Vault: got %+v, waited: %v (%v)", e, waited, err)
	}
	l.wantNoWork(t)
	if err := os.MkdirAll(stale, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.binary(t.Context(), request(image.Nomad)); err != nil {
		t.Fatal(err)
	}
	l.wantNoWork(t)
}

// says returns the first line of what a program prints.
func says(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), path).Output()
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSuffix(first, " ()")
}

func TestImagesOfParts(t *testing.T) {
	t.Parallel()
	l := newTestSources(t, "")
	recipes, environments := newPartRecipes(t)
	l.Recipes = recipes
	ids := map[string]image.Part{}
	for _, part := range image.Parts() {
		r := image.Request{Part: part, Version: version, Environment: environments[part]}
		img, seen, err := l.resolve(t.Context(), r)
		if err != nil || img.Part != part || img.Version != version || img.Source != image.Built || seen.String() != "pull busybox licence build import" {
			t.Fatalf("%s: got %+v by way of %q (%v)", part, img, seen, err)
		}
		if other, taken := ids[img.ID]; taken {
			t.Errorf("%s and %s have the same image", part, other)
		}
		ids[img.ID] = part
		script := `set -e; test "$(` + part.Path() + ` | head -n 1 | cut -d' ' -f1,2)" = "` + part.Title() + ` v` + version + `"
			test "$(ls /bin | grep -cxE 'nomad|vault|consul-template')" = 1; test "$(id -u)" = 1000`
		if code := l.runAsUser(t, img.Ref, script); code != 0 {
			t.Errorf("%s: the container ends with %d", part, code)
		}
		again, seen, err := l.resolve(t.Context(), r)
		if err != nil || again.ID != img.ID || again.Part != part || again.Source != image.Local || len(seen) != 0 {
			t.Errorf("%s, the second time: got %+v by way of %q (%v)", part, again, seen, err)
		}
		listed, err := image.List(t.Context(), l.docker.DaemonHost())
		if err != nil || !slices.Contains(listed, again) {
			t.Errorf("%+v is not in the list %+v (%v)", again, listed, err)
		}
	}
	l.wantNoWork(t)
}

// TestErrorsNameThePart: what is missing, and the flag that helps, are those of the part.
func TestErrorsNameThePart(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	recipes, _ := newPartRecipes(t)
	for _, part := range image.Parts() {
		l := testSources{image.Sources{Cache: t.TempDir(), Recipes: recipes}, nil}
		_, _, err := l.binary(t.Context(), image.Request{Part: part, Version: "0.0.3"})
		wants(t, err, image.ErrUnknownVersion, "unknown "+part.Title()+" version \"0.0.3\": there is no "+part.Name()+" in PATH", part.Flag())
		_, _, err = l.binary(t.Context(), image.Request{Part: part, Version: "latest"})
		wants(t, err, image.ErrUnknownVersion, "unknown "+part.Title()+" version \"latest\": want one such as \""+part.DefaultVersion()+"\"", part.Flag())
		_, _, err = l.binary(t.Context(), image.Request{Part: part, Version: version})
		wants(t, err, image.ErrNoGo, "build "+part.Title()+" "+version, part.Flag())
		_, _, err = l.binary(t.Context(), image.Request{Part: part, Image: "some/image"})
		wants(t, err, image.ErrNeedsDocker, "some/image", part.Flag())
	}
}

// wants fails the test unless the error is that one and has these words.
func wants(t *testing.T, err, is error, words ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Errorf("got %v, want %v", err, is)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not in the error: %v", word, err)
		}
	}
}

// TestRealConsulTemplate builds it if it is not in the user's cache: some 40 s.
func TestRealConsulTemplate(t *testing.T) {
	t.Parallel()
	e, err := image.ResolveBinary(t.Context(), image.Request{Part: image.ConsulTemplate}, nil)
	if err != nil || e.Version != image.ConsulTemplate.DefaultVersion() {
		t.Fatalf("got %+v (%v)", e, err)
	}
	out, err := exec.CommandContext(t.Context(), e.Path, "-dry", "-once", "-template", write(t, t.TempDir(), "in", []byte(`{{ "real" | toUpper }}`))).Output()
	if err != nil || !strings.Contains(string(out), "REAL") {
		t.Errorf("it renders %q (%v)", out, err)
	}
	if here, err := image.Cached(t.Context(), "", image.Request{Part: image.ConsulTemplate}); err != nil || !here {
		t.Errorf("it is here: %v (%v)", here, err)
	}
}

// TestProofOfParts builds every part with an embedded recipe: minutes with empty caches of Go.
func TestProofOfParts(t *testing.T) {
	for _, part := range image.Parts() {
		for _, version := range part.Versions() {
			l := testSources{image.Sources{Cache: t.TempDir(), Recipes: fixtures.Images}, nil}
			t.Setenv("PATH", withoutProgram(t, part.Name()))
			var last image.Event
			e, err := l.ResolveBinary(t.Context(), image.Request{Part: part, Version: version}, func(e image.Event) { last = e })
			if err != nil || e.Version != version || e.Source != image.Built || last.Stage != image.StageBuild {
				t.Errorf("%s %s: got %+v (%v)", part, version, e, err)
				continue
			}
			if err := image.CheckStatic(e.Path, runtime.GOARCH); err != nil {
				t.Errorf("%s %s: %v", part, version, err)
			}
			t.Log(last.Text)
		}
	}
}

// withoutProgram returns PATH without the folders that have that program.
func withoutProgram(t *testing.T, name string) string {
	t.Helper()
	var kept []string
	for _, folder := range filepath.SplitList(os.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			kept = append(kept, folder)
		}
	}
	return strings.Join(kept, string(os.PathListSeparator))
}
