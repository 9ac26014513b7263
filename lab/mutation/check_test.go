package mutation_test

import (
	"errors"
	"sync"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/spec"
)

// TestCheckIsRepeatedWhenLeadershipMoves: the checks run again if another server led meanwhile, however briefly, and
// only then.
func TestCheckIsRepeatedWhenLeadershipMoves(t *testing.T) {
	t.Parallel()
	l := labtest.Start(t, spec.Hardened(), spec.Servers(3), spec.Clients(0))
	pack := mutation.Pack{Name: "led", Servers: 3, Lead: "server-1"}
	if err := mutation.MakeLeader(t.Context(), l, pack.Lead); err != nil {
		t.Fatal(err)
	}
	for name, meanwhile := range map[string]func() error{
		"it leads on":       nil,
		"another one leads": func() error { return mutation.MakeLeader(t.Context(), l, "server-2") },
		"it leads once more": func() error {
			return errors.Join(mutation.MakeLeader(t.Context(), l, "server-2"), mutation.MakeLeader(t.Context(), l, "server-1"))
		},
	} {
		told, once, began := 0, sync.Once{}, term(t, l)
		r, err := pack.Check(t.Context(), l, inspect.Options{Only: []string{"server-names-a-leader"}, NoMatrix: true, Tell: func(finding.Finding) {
			told++
			once.Do(func() {
				if meanwhile != nil {
					if err := meanwhile(); err != nil {
						t.Error(err)
					}
				}
			})
		}})
		again := term(t, l) != began // on a busy machine also by itself
		if err != nil || len(r.Findings) != 3 || (told >= 6) != again || meanwhile != nil && !again {
			t.Errorf("%s: %d findings were told, %d returned, %v; the term is another: %t", name, told, len(r.Findings), err, again)
		}
	}
}

// term returns Raft's term.
func term(t *testing.T, l *lab.Lab) string {
	t.Helper()
	client, err := l.Servers()[0].API()
	if err != nil {
		t.Fatal(err)
	}
	self, err := client.Agent().Self()
	if err != nil {
		t.Fatal(err)
	}
	return self.Stats["raft"]["term"]
}
