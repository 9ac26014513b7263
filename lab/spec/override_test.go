package spec_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

func TestOverrideInWords(t *testing.T) {
	got := spec.OverridesText([]spec.Override{{Role: pki.Client, Path: "tls.http", Value: "false"}, {Path: "limits"}, {Role: pki.Server, Node: "server-2", Path: "server.encrypt"}})
	if want := "tls.http = false on clients, no limits, no server.encrypt on server-2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (spec.Spec{}).With(spec.Set("", "limits", "")).Warnings(); len(got) != 1 || !strings.Contains(got[0], "no limits") {
		t.Errorf("the warnings are %q", got)
	}
}
