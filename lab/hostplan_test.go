package lab_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/internal/spectest"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/spec"
)

const loopback = `{{ GetAllInterfaces | include "name" "^lo" | include "type" "IPv4" | attr "address" }}`

func TestTemplatesAskTheHost(t *testing.T) {
	wanted := spec.Spec{
		Name:         "{{ untouched",
		Subnet:       loopback + "/8",
		Certificates: spec.Certificates{IPs: []string{"192.0.2.1", loopback}},
	}
	got, err := lab.Evaluate(wanted)
	if err != nil {
		t.Fatal(err)
	}
	want := spec.Spec{
		Name: "{{ untouched", Subnet: "127.0.0.1/8",
		Certificates: spec.Certificates{IPs: []string{"192.0.2.1", "127.0.0.1"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if wanted.Certificates.IPs[1] != loopback {
		t.Error("the caller's list of addresses was changed")
	}
}

func TestBadTemplatesAreProblems(t *testing.T) {
	for name, c := range map[string]struct{ text, right string }{
		"no template":     {"{{ GetAllInterfaces", loopback},
		"no such word":    {"{{ GetMyAddress }}", loopback},
		"gives nothing":   {`{{ GetAllInterfaces | include "name" "^none" | attr "address" }}`, loopback},
		"unknown filter":  {`{{ GetAllInterfaces | include "colour" "red" }}`, "127.0.0.1"},
		"half a template": {`{{`, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := lab.Evaluate(spec.Spec{Subnet: c.text, Certificates: spec.Certificates{IPs: []string{"192.0.2.1", c.text}}})
			problems := spectest.Problems(t, err)
			if len(problems) != 2 || problems[0].Field != "subnet" || problems[1].Field != "certificates.ips[1]" {
				t.Fatalf("problems %v, want one for each of the two fields", problems)
			}
			if !strings.Contains(problems[0].Mend, "nomadlab plan") {
				t.Errorf("mend: %s", problems[0].Mend)
			}
			if _, err := lab.Evaluate(spec.Spec{Subnet: c.right}); err != nil {
				t.Errorf("put right, still refused: %v", err)
			}
		})
	}
}
