package mutation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/mutation"
)

func nothing(context.Context, *lab.Lab) error { return nil }

// TestTableIsWhole: each mutation has the fields that readers, Packs and scores need, and its own ID.
func TestTableIsWhole(t *testing.T) {
	ids := map[string]bool{}
	for _, m := range mutation.All() {
		if m.ID == "" || m.Change == "" || m.Scope == "" || ids[m.ID] {
			t.Errorf("mutation %q lacks its ID, change or scope, or is there twice", m.ID)
		}
		ids[m.ID] = true
		if m.Role == "" && (m.Scope != mutation.Cluster || m.Sharing != mutation.Shares || m.Everywhere) {
			t.Errorf("%s has no role, and its scope is %s", m.ID, m.Scope)
		}
		if m.ForConfiguration() && len(m.Settings) == 0 {
			t.Errorf("%s changes a configuration, and names no setting", m.ID)
		}
		if m.Equivalent != "" && !strings.Contains(m.Equivalent, ".go:") {
			t.Errorf("%s is said to change nothing, without a line of Nomad's: %s", m.ID, m.Equivalent)
		}
		parts := len(m.Lines) + len(m.Lab)
		for _, has := range []bool{m.Certificate != nil, m.ForeignTrust, m.Overlay != "", m.File != nil, m.Live != nil} {
			if has {
				parts++
			}
		}
		if parts == 0 {
			t.Errorf("%s is made of nothing", m.ID)
		}
		for _, l := range m.Lines {
			if !slices.Contains(m.Settings, l.Path) {
				t.Errorf("%s changes %s, and names %v", m.ID, l.Path, m.Settings)
			}
			if err := agentconf.CheckSetting(l.Path, l.Value); err != nil {
				t.Errorf("%s: %v", m.ID, err)
			}
		}
	}
	if len(ids) < 150 {
		t.Errorf("%d mutations, there were 150", len(ids))
	}
}

// TestByID finds each mutation, and no other.
func TestByID(t *testing.T) {
	for _, m := range mutation.All() {
		if got, err := mutation.ByID(m.ID); err != nil || got.ID != m.ID {
			t.Errorf("%s: %v", m.ID, err)
		}
	}
	if _, err := mutation.ByID("no-such"); !errors.Is(err, mutation.ErrUnknown) || !strings.Contains(err.Error(), "--list") {
		t.Errorf("an ID that none has: %v", err)
	}
}

// TestMatch: patterns match in the table's order, and one that matches none is an error.
func TestMatch(t *testing.T) {
	matched, err := mutation.Match(mutation.All(), "no-acl", "server-tls-1*")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range matched {
		got = append(got, m.ID)
	}
	if want := []string{"server-tls-10", "server-tls-11", "no-acl"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, pattern := range []string{"no-such", "["} {
		if _, err := mutation.Match(mutation.All(), "no-acl", pattern); !errors.Is(err, mutation.ErrUnknown) {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

// TestEachMutationIsSeen: each that a lab can carry made a check fail, at every scope that it has, and is recorded
// once, in the table's order.
func TestEachMutationIsSeen(t *testing.T) {
	seen, err := mutation.AllSeen()
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range unseen(mutation.All(), seen) {
		t.Error(fault)
	}
}

// unseen lists the mutations that were not seen to make any check fail, and wrong records.
func unseen(all []mutation.Mutation, seen []mutation.Seen) []string {
	var faults, want, got []string
	for _, m := range all {
		for _, p := range mutation.Unpacked([]mutation.Mutation{m}, mutation.DefaultSize()) {
			if m.WhyNotInLab() == "" {
				want = append(want, p.Placed[0].Mutation.ID+" of "+string(p.Placed[0].Scope))
			}
		}
	}
	for _, s := range seen {
		name := s.Mutation + " of " + string(s.Scope)
		got = append(got, name)
		if len(s.Fails) == 0 {
			faults = append(faults, name+" makes no check fail")
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	for i, name := range got {
		if i > 0 && got[i-1] == name {
			faults = append(faults, name+" is written down twice")
		}
		if !slices.Contains(want, name) {
			faults = append(faults, name+" is not in the table")
		}
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			faults = append(faults, name+" was never seen")
		}
	}
	return faults
}

// TestUnseenIsTold: a mutation that changes nothing, one that was never carried out, and a wrong record.
func TestUnseenIsTold(t *testing.T) {
	rows := []mutation.Mutation{row("good", "server", mutation.Shares), row("idle", "server", mutation.Shares), row("new", "server", mutation.Shares)}
	good := mutation.Seen{Mutation: "good", Scope: mutation.Agent, Fails: []string{"a"}}
	faults := unseen(rows, []mutation.Seen{good, good, {Mutation: "idle", Scope: mutation.Agent}, {Mutation: "gone", Scope: mutation.Agent, Fails: []string{"a"}}})
	want := []string{"idle of agent makes no check fail", "gone of agent is not in the table", "good of agent is written down twice", "new of agent was never seen"}
	slices.Sort(faults)
	slices.Sort(want)
	if !slices.Equal(faults, want) {
		t.Errorf("%q", faults)
	}
}

// TestWhichRowsDoNotShare lists what each row says about sharing. A row that wrongly shares a cluster could show at
// the wrong agent, or keep the cluster from getting ready.
func TestWhichRowsDoNotShare(t *testing.T) {
	t.Parallel()
	got := map[string][]string{}
	for _, m := range mutation.All() {
		if m.Sharing != mutation.Shares {
			got[string(m.Sharing)] = append(got[string(m.Sharing)], m.ID)
		}
		if m.Everywhere {
			got["at one, and at all"] = append(got["at one, and at all"], m.ID)
		}
	}
	want := map[string][]string{
		string(mutation.Extra): { // the cluster takes none of these for an agent of its own
			"server-plain-rpc", "client-plain-rpc", "server-no-gossip-key", "server-other-gossip-key", "server-no-acl", "client-other-pool",
			"server-with-certificate-of-client", "server-with-certificate-of-cli", "client-with-certificate-of-cli", "server-certificate-expired",
			"server-certificate-foreign", "server-certificate-intermediate-missing", "client-certificate-expired", "client-certificate-foreign",
			"client-certificate-intermediate-missing",
		},
		string(mutation.Alone):          {"server-begins-alone", "client-raw-exec"},
		string(mutation.NeedsSampleJob): {"client-no-acl"},
		"at one, and at all": { // a leader or a peer decides these too
			"server-names-not-verified", "server-upgrade-mode", "server-https-for-everybody", "server-introduction-warn", "server-introduction-none",
			"server-introduction-life", "server-token-life",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
