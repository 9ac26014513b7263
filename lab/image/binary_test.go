package image_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"nomadlab.internal/lab/image"
)

func TestNamedBinary(t *testing.T) {
	t.Parallel()
	l := newTestSources(t, "")
	folder := t.TempDir()
	static := buildTestProgram(t, folder)
	img, seen, err := l.resolve(t.Context(), image.Request{Binary: static, Version: "9.9.9"})
	if err != nil || img.Source != image.Named || img.Version != version || !strings.HasPrefix(img.Ref, l.Ours+":binary-") {
		t.Fatalf("got %+v (%v)", img, err)
	}
	if got := seen.String(); got != "busybox import" {
		t.Errorf("stages: %s", got)
	}
	if code := l.runAsUser(t, img.Ref, `test "$(nomad version | head -n 1)" = "Nomad v0.0.1"`); code != 0 {
		t.Errorf("nomad in the image ends with %d", code)
	}
	again, seen, err := l.resolve(t.Context(), image.Request{Binary: static})
	if err != nil || again != img || len(seen) != 0 {
		t.Errorf("the second time: got %+v, %v (%v)", again, seen, err)
	}

	text, err := os.ReadFile(static)
	if err != nil {
		t.Fatal(err)
	}
	changed := write(t, folder, "changed", append(text, 0))
	other, _, err := l.resolve(t.Context(), image.Request{Binary: changed})
	if err != nil || other.Ref == img.Ref || other.ID == img.ID {
		t.Errorf("another binary: got %+v (%v), and %+v for the first", other, err, img)
	}
	l.wantNoWork(t)
}

func TestNamedBinaryRefused(t *testing.T) {
	t.Parallel()
	l := newTestSources(t, "")
	folder := t.TempDir()
	text := write(t, folder, "script", []byte("#!/bin/sh\necho Nomad v0.0.1\n"))
	if _, _, err := l.resolve(t.Context(), image.Request{Binary: text}); !errors.Is(err, image.ErrUnusableBinary) || !strings.Contains(err.Error(), "ELF") {
		t.Errorf("a script: %v", err)
	}
	other := buildProgram(t, folder, "package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"usage: other\") }\n")
	if _, _, err := l.resolve(t.Context(), image.Request{Binary: other}); !errors.Is(err, image.ErrUnusableBinary) || !strings.Contains(err.Error(), "not nomad") {
		t.Errorf("a static program that is not nomad: %v", err)
	}
	l.wantNoWork(t)
}
