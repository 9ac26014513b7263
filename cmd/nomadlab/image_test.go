package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/image"
)

func TestImageRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		flags imageFlags
		want  []image.Request
	}{
		{"nothing", imageFlags{}, []image.Request{{}}},
		{"versions of Nomad", imageFlags{versions: []string{"1.10.5", "1.11.3"}},
			[]image.Request{{Part: image.Nomad, Version: "1.10.5"}, {Part: image.Nomad, Version: "1.11.3"}}},
		{"parts, in any order", imageFlags{parts: []string{"consul-template", "nomad", "vault"}},
			[]image.Request{{Part: image.Nomad}, {Part: image.Vault}, {Part: image.ConsulTemplate}}},
		{"a part alone", imageFlags{parts: []string{"vault"}}, []image.Request{{Part: image.Vault}}},
		{"a binary names its part", imageFlags{binaries: partBinaries{vault: "./v", consulTemplate: "./ct"}},
			[]image.Request{{Part: image.Vault, Binary: "./v"}, {Part: image.ConsulTemplate, Binary: "./ct"}}},
		{"a part and its binary", imageFlags{parts: []string{"vault"}, binaries: partBinaries{vault: "./v"}},
			[]image.Request{{Part: image.Vault, Binary: "./v"}}},
		{"a part and a version of Nomad", imageFlags{parts: []string{"vault"}, versions: []string{"1.11.3"}},
			[]image.Request{{Part: image.Nomad, Version: "1.11.3"}, {Part: image.Vault}}},
		{"Nomad's sources", imageFlags{nomad: nomadFlags{image: "a:1", binary: "./n"}},
			[]image.Request{{Part: image.Nomad, Image: "a:1"}, {Part: image.Nomad, Binary: "./n"}}},
	} {
		got, err := c.flags.requests()
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", c.name, err, diff)
		}
	}
}

func TestUnknownPart(t *testing.T) {
	t.Parallel()
	got := user{engine: engines.Process}.call(t, "", "image", "--part", "nomad,consul")
	if got.code != exitUsage || !strings.Contains(got.errs, `unknown part "consul": want one of nomad, vault, consul-template`) {
		t.Errorf("got %+v", got)
	}
}

// TestListOfParts lists the parts of a machine that has none, and then of one with a Vault and a Nomad.
func TestListOfParts(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	u := user{engine: engines.Process, env: []string{"XDG_CACHE_HOME=" + cache}, folder: t.TempDir()}
	type list struct {
		Images    []partSource
		Buildable []string
		Parts     []partState
	}
	read := func() (l list) {
		t.Helper()
		if err := json.Unmarshal([]byte(u.must(t, "image", "--list", "--json")), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := read()
	if len(l.Images) != 0 || !slices.Contains(l.Buildable, image.DefaultVersion) || len(l.Parts) != 3 {
		t.Fatalf("got %+v", l)
	}
	for i, part := range image.Parts() {
		got := l.Parts[i]
		if got.Part != part || got.DefaultVersion != part.DefaultVersion() || !slices.Contains(got.Buildable, part.DefaultVersion()) || got.BuildMinutes < 1 {
			t.Errorf("%s: got %+v", part, got)
		}
	}
	words := strings.Fields(u.must(t, "image", "--list"))
	for _, word := range []string{"nomad", "vault", "consul-template", "1.21.0", "0.41.1", "no:", "min"} {
		if !slices.Contains(words, word) {
			t.Errorf("%q is not in the list: %q", word, words)
		}
	}

	folder := filepath.Join(cache, "nomadlab", "image")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	build := build()
	suffix := "-0123456789-" + strings.ReplaceAll(build.Platform, "/", "-")
	for _, name := range []string{"vault-9.9.9", "nomad-9.9.8"} {
		if err := os.WriteFile(filepath.Join(folder, name+suffix), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []partSource{
		{Part: image.Nomad, Ref: filepath.Join(folder, "nomad-9.9.8"+suffix), Version: "9.9.8", NomadVersion: "9.9.8", Source: image.Local},
		{Part: image.Vault, Ref: filepath.Join(folder, "vault-9.9.9"+suffix), Version: "9.9.9", Source: image.Local},
	}
	if diff := cmp.Diff(want, read().Images); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
}

// TestBinaryOfThePart: a binary that the user names must be the part's.
func TestBinaryOfThePart(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "vault")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho 'Vault v1.2.3, built today'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	u := user{engine: engines.Process}
	var got []partSource
	if err := json.Unmarshal([]byte(u.must(t, "image", "--vault-binary", script, "--json")), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]partSource{{Part: image.Vault, Ref: script, Version: "1.2.3", Source: image.Named}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	refused := u.call(t, "", "image", "--consul-template-binary", script)
	if refused.code != exitUsage || !strings.Contains(refused.errs, "this is not consul-template") {
		t.Errorf("vault as consul-template: got %+v", refused)
	}
}
