package image_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"nomadlab.internal/lab/image"
)

// nomadInPath puts a nomad at the beginning of PATH, and returns its path.
func nomadInPath(t *testing.T, script string) string {
	t.Helper()
	folder := t.TempDir()
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	return write(t, folder, "nomad", []byte("#!/bin/sh\n"+script+"\n"))
}

// TestBinarySources adds one source after the other, each of which precedes those before.
func TestBinarySources(t *testing.T) {
	recipe := newTestRecipe(t, testSource(version), true)
	l := newBuilder(t, recipe)
	want := func(r image.Request, path string, source image.Source, stages string) {
		t.Helper()
		r.Environment = recipe.environment
		e, seen, err := l.binary(t.Context(), r)
		if err != nil || e != (image.Executable{Part: image.Nomad, Path: path, Version: version, Source: source}) || seen.String() != stages {
			t.Errorf("got %+v by way of %q (%v), want %s, %s, by way of %q", e, seen, err, path, source, stages)
		}
	}
	kept := filepath.Join(l.Cache, "nomad-"+version+"-"+recipe.hash(t)+"-"+runtime.GOOS+"-"+runtime.GOARCH)

	inPath := nomadInPath(t, "echo Nomad v"+version)
	want(image.Request{Version: version}, inPath, image.Local, "")
	if _, err := os.Stat(l.Cache); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the cache was made for nothing: %v", err)
	}
	nomadInPath(t, "echo Nomad v0.0.2")
	want(image.Request{Version: version}, kept, image.Built, "licence build")
	want(image.Request{Version: "v" + version}, kept, image.Local, "")
	nomadInPath(t, "echo Nomad v"+version)
	want(image.Request{Version: version}, kept, image.Local, "")

	// A script is no static executable, and runs all the same; what it is named by holds for one folder only.
	t.Chdir(filepath.Dir(inPath))
	want(image.Request{Binary: "nomad", Version: "9.9.9"}, inPath, image.Named, "")
	l.wantNoWork(t)
}

func TestBinaryInPath(t *testing.T) {
	recipe := newTestRecipe(t, testSource(version), true)
	for script, stderr := range map[string]string{
		"echo Nomad v0.0.3":                       "", // controls
		"echo 'Nomad v0.0.3 (f464aca721d222ae9)'": "",
		"echo Nomad v0.0.3; echo BuildDate today": "",
		"echo Nomad v0.0.3-dev":                   "is 0.0.3-dev",
		"echo Nomad v0.0.3+ent":                   "is 0.0.3+ent",
		"echo Nomad v0.0.30":                      "is 0.0.30",
		"echo Nomad v0.0.1":                       "is 0.0.1",
		"echo Terraform v0.0.3":                   "not nomad",
		"echo Nomad v0.0.3; exit 3":               "exit status 3",
	} {
		t.Run(script, func(t *testing.T) {
			inPath := nomadInPath(t, script)
			e, _, err := newBuilder(t, recipe).binary(t.Context(), image.Request{Version: "0.0.3"})
			if stderr == "" {
				if err != nil || e.Path != inPath || e.Version != "0.0.3" || e.Source != image.Local {
					t.Errorf("got %+v (%v)", e, err)
				}
				return
			}
			wantUnknown(t, err, stderr, inPath)
		})
	}
}

// wantUnknown wants an UnknownVersionError of the version 0.0.3, with what can be used without Docker.
func wantUnknown(t *testing.T, err error, stderr ...string) {
	t.Helper()
	var unknown *image.UnknownVersionError
	if !errors.Is(err, image.ErrUnknownVersion) || !errors.As(err, &unknown) || !unknown.WithoutDocker {
		t.Fatalf("got %v", err)
	}
	for _, word := range append(stderr, "Without Docker, these can be built: "+version+".", "--nomad-binary") {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not in the error: %v", word, err)
		}
	}
	if strings.Contains(err.Error(), "--image") {
		t.Errorf("an image cannot be used, and yet: %v", err)
	}
}

func TestUnknownVersions(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	l := newBuilder(t, newTestRecipe(t, testSource(version), true))
	_, _, err := l.binary(t.Context(), image.Request{Version: "0.0.3"})
	wantUnknown(t, err, `"0.0.3": there is no nomad in PATH`)
	_, _, err = l.binary(t.Context(), image.Request{Version: "latest"})
	wantUnknown(t, err, `"latest": want one such as`)
}

func TestBinaryRequestWithImage(t *testing.T) {
	l := newBuilder(t, newTestRecipe(t, testSource(version), true))
	_, _, err := l.binary(t.Context(), image.Request{Image: "some/nomad:1", Version: version})
	if !errors.Is(err, image.ErrNeedsDocker) {
		t.Fatalf("got %v", err)
	}
	for _, word := range []string{"some/nomad:1", "--nomad-binary", "--engine docker"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not in the error: %v", word, err)
		}
	}
	_, _, err = l.binary(t.Context(), image.Request{Image: "some/nomad:1", Binary: "/bin/true"})
	if err == nil || !strings.Contains(err.Error(), "name one of them") {
		t.Errorf("an image and a binary: %v", err)
	}
}

// TestNamedBinaryMustRunHere has its controls in TestBinarySources and in its first case.
func TestNamedBinaryMustRunHere(t *testing.T) {
	folder := t.TempDir()
	static := buildTestProgram(t, folder)
	good, err := os.ReadFile(static)
	if err != nil {
		t.Fatal(err)
	}
	patched := func(name string, offset int, value byte) string {
		text := append([]byte(nil), good...)
		text[offset] = value
		return write(t, folder, name, text)
	}
	plain := write(t, folder, "plain", good)
	if err := os.Chmod(plain, 0o600); err != nil {
		t.Fatal(err)
	}
	const machine, interpreter = 18, 3
	for name, c := range map[string]struct{ path, want string }{
		"control":        {static, ""},
		"not there":      {filepath.Join(folder, "none"), "no such file"},
		"a folder":       {folder, "it is a folder"},
		"no program":     {plain, "chmod +x"},
		"text":           {write(t, folder, "text", []byte("Nomad v0.0.1\n")), "not a Linux executable"},
		"macOS":          {write(t, folder, "macos", []byte("\xcf\xfa\xed\xfe\x07\x00\x00\x01")), "not a Linux executable"},
		"other machine":  {patched("other", machine, 0xF7), "it is for EM_BPF, and " + runtime.GOARCH + " is needed"},
		"missing loader": {patched("dynamic", int(good[32]), interpreter), "its loader"},
		"not nomad":      {write(t, folder, "hello", []byte("#!/bin/sh\necho hello\n")), `says "hello": this is not nomad`},
		"fails":          {write(t, folder, "fails", []byte("#!/bin/sh\necho no such luck >&2; exit 3\n")), "no such luck"},
	} {
		l := newBuilder(t, newTestRecipe(t, testSource(version), true))
		_, _, err := l.binary(t.Context(), image.Request{Binary: c.path})
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !errors.Is(err, image.ErrUnusableBinary) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "Docker") {
			t.Errorf("%s: Docker has no part in it, and yet: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := newBuilder(t, newTestRecipe(t, testSource(version), true))
	if _, _, err := l.binary(ctx, image.Request{Binary: static}); !errors.Is(err, context.Canceled) || errors.Is(err, image.ErrUnusableBinary) {
		t.Errorf("interrupted: got %v", err)
	}
}

func TestBinaryWithoutGo(t *testing.T) {
	recipe := newTestRecipe(t, testSource(version), true)
	t.Setenv("PATH", t.TempDir())
	l := newBuilder(t, recipe)
	_, _, err := l.binary(t.Context(), image.Request{Version: version})
	if !errors.Is(err, image.ErrNoGo) || strings.Contains(err.Error(), "--image") {
		t.Errorf("got %v", err)
	}
	for _, word := range []string{"no go in PATH", "--nomad-binary", "because of: there is no nomad in PATH"} {
		if err != nil && !strings.Contains(err.Error(), word) {
			t.Errorf("%q is not in the error: %v", word, err)
		}
	}
	l.wantNoWork(t)
}
