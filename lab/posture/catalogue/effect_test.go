package catalogue_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// TestEveryRequestHasAClass: requests that change something are listed by name, a request that some versions refuse
// is never called safe, and a check's kind does not depend on its ingredients.
func TestEveryRequestHasAClass(t *testing.T) {
	kinds := map[string]posture.Kind{}
	changing := map[posture.Kind][]string{}
	for _, i := range []catalogue.Ingredients{minted(t), {}} {
		checks, err := catalogue.All(i)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range checks {
			s := c.Spec()
			e := s.Probe.Effect().And(s.Control.Effect())
			switch {
			case e.IsChange():
				if !slices.Contains(changing[s.Kind], s.ID) {
					changing[s.Kind] = append(changing[s.Kind], s.ID)
				}
			case e.IsRead() != (s.Kind == posture.Safe), !e.IsRead() && s.Kind != posture.Guarded:
				t.Errorf("%s is %s, and its requests are of the class %q", s.ID, s.Kind, e)
			}
			if before, known := kinds[s.ID]; known && before != s.Kind {
				t.Errorf("%s is %s with everything at hand, and %s with nothing", s.ID, before, s.Kind)
			}
			kinds[s.ID] = s.Kind
		}
	}
	want := map[posture.Kind][]string{
		posture.Intrusive: {
			"server-lets-nobody-take-a-snapshot-without-token", "introduction-tokens-live-an-hour-at-most",
			"server-https-limits-connections", "client-https-limits-connections",
			"client-takes-no-client-for-a-server", "rpc-limits-connections", "network-carries-no-rpc-in-clear",
		},
		posture.Destructive: {"rpc-gives-no-first-token-to-a-client"},
	}
	if diff := cmp.Diff(want, changing); diff != "" {
		t.Errorf("what changes something (-want +got):\n%s", diff)
	}
}

// TestVerifiedRequestsAreThoseOfTheCatalogue: a request that differs in one letter is another one.
func TestVerifiedRequestsAreThoseOfTheCatalogue(t *testing.T) {
	for _, v := range catalogue.VerifiedRequests() {
		if v.Effect.IsChange() || len(v.Lines) == 0 || slices.Contains(v.Lines, "") {
			t.Errorf("%s: class %q, with the lines %q", v.Request, v.Effect, v.Lines)
		}
		if other := catalogue.Verified(v.Method, v.Path+"x", v.Body); !other.IsChange() {
			t.Errorf("%s: with another path it is of the class %q", v.Request, other)
		}
		if other := catalogue.Verified(v.Method, v.Path, v.Body+" "); !other.IsChange() {
			t.Errorf("%s: with another body it is of the class %q", v.Request, other)
		}
	}
	for _, path := range []string{"/v1/volume/host/3f2504e0-4f89-41d3-9a0c-0305e82c3301", "/v1/operator/keyring/key/3f2504e0-4f89-41d3-9a0c-0305e82c3301"} {
		if e := catalogue.Verified("DELETE", path, ""); e.String() != (probe.Effect{}).String() {
			t.Errorf("deleting what there may be at %s is of the class %q", path, e)
		}
	}
}
