package measure_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/bench/measure"
)

func results() measure.Results {
	boot := func(who string, round int, ready float64) measure.Boot {
		return measure.Boot{Contestant: who, Round: round, Place: 1, Seconds: map[measure.Milestone]float64{measure.Ready: ready}}
	}
	failed := boot("ours", 3, 99)
	failed.Error = "it was not up within 5m0s"
	return measure.Results{
		Date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine: measure.Machine{
			CPU: "a processor", Cores: 2, Memory: 1 << 34, Kernel: "linux 6.1", Docker: "20.10.24", Go: "1.26.0", Nomad: "1.11.3", Load: 0.5,
		},
		Interrupted: true,
		Contestants: []measure.Contestant{{Name: "theirs", Title: "Theirs"}, {Name: "ours", Title: "Ours", Against: "theirs"}},
		Boots:       []measure.Boot{boot("theirs", 1, 2), boot("ours", 1, 1), boot("ours", 2, 3), failed},
		Sizes: []measure.Size{
			{Boot: boot("ours", 1, 8), Clients: 40, Memory: measure.Memory{Nodes: 43, Total: 1 << 30, Private: 1 << 29, Counted: "somehow"}},
			{Boot: boot("ours", 1, 2), Clients: 5}, {Boot: failed, Clients: 100}, {Boot: boot("theirs", 1, 2), Clients: 5},
		},
		Traces: []measure.Trace{{Contestant: "ours", Steps: []measure.Step{{At: 0.5, Source: "lab", Text: "network"}}}},
	}
}

func TestJSONRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	if err := results().Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := measure.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(results(), got); diff != "" {
		t.Errorf("(-saved +loaded):\n%s", diff)
	}
}

func TestLoadSaysWhichFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{path, path + ".gone"} {
		if _, err := measure.Load(at); err == nil || !strings.Contains(err.Error(), at) {
			t.Errorf("got %v, want an error that names %s", err, at)
		}
	}
}

// TestFailuresDoNotCount: what failed has times, too, and they mean nothing.
func TestFailuresDoNotCount(t *testing.T) {
	r := results()
	if diff := cmp.Diff(map[int]float64{1: 1, 2: 3}, r.Seconds("ours", measure.Ready)); diff != "" {
		t.Errorf("boots (-want +got):\n%s", diff)
	}
	var clients []int
	for _, s := range r.SizesOf("ours") {
		clients = append(clients, s.Clients)
	}
	if diff := cmp.Diff([]int{5, 40}, clients); diff != "" {
		t.Errorf("sizes (-want +got):\n%s", diff)
	}
	if s := r.Summary("ours", measure.Leader); s.N != 0 {
		t.Errorf("a milestone that nobody saw has the summary %+v", s)
	}
}

func TestMilestonesHaveTitles(t *testing.T) {
	titles := map[string]bool{}
	for _, m := range measure.Milestones() {
		if title := m.Title(); title == "" || titles[title] {
			t.Errorf("%s has the title %q, which is empty or another's", m, title)
		} else {
			titles[title] = true
		}
	}
}
