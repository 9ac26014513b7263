package regress_test

import (
	"slices"
	"testing"

	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/regress"
)

// apartWith returns the cluster in which the mutation of the ID is tried by itself.
func apartWith(t *testing.T, id string) mutation.Pack {
	t.Helper()
	m, err := mutation.ByID(id)
	if err != nil {
		t.Fatal(err)
	}
	return regress.ApartWith(m, mutation.DefaultSize())
}

// TestApartWith: by itself a mutation is carried by one agent, unless the leader decides for all.
func TestApartWith(t *testing.T) {
	for id, want := range map[string]string{
		"server-tls-10":              "server-tls-10 at server-3",
		"server-introduction-warn":   "server-introduction-warn of servers",
		"client-tls-10":              "client-tls-10 at client-2",
		"client-certificate-expired": "client-certificate-expired at client-2",
		"no-acl":                     "no-acl of cluster",
	} {
		if p := apartWith(t, id); len(p.Placed) != 1 || p.Placed[0].String() != want {
			t.Errorf("%s is %v, want %s", id, p.Placed, want)
		}
	}
}

// TestStages: the checks that name a setting of the mutation come first, and the matrix last; an agent that is cut off meets the
// checks that can be tried there.
func TestStages(t *testing.T) {
	all := regress.Stages(apartWith(t, "client-tls-10"))
	if len(all) != 4 || !slices.Contains(all[0].Only, "client-https-refuses-tls-1.0") || slices.Contains(all[0].Only, "gossip-refuses-no-key") {
		t.Errorf("the stages are %+v", all)
	}
	if last := all[len(all)-1]; !slices.Equal(last.Only, []string{inspect.MatrixName}) {
		t.Errorf("the last stage is %+v", last)
	}
	cutOff := regress.Stages(apartWith(t, "client-certificate-expired"))
	if len(cutOff) != 1 || !slices.Contains(cutOff[0].Only, "cluster") || !slices.Equal(cutOff[0].Members, []string{"client-2"}) {
		t.Errorf("the stages of an agent that is cut off are %+v", cutOff)
	}
}
