package main

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"nomadlab.internal/lab/spec"
)

// someResults has everything once: two contestants that are compared, one without the other, a failure, sizes, steps.
func someResults() results {
	r := results{
		date: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		machine: machine{
			cpu: "a processor", cores: 2, memory: 8 << 30, kernel: "linux 6.1", docker: "20.10.24", golang: "1.26.0", nomad: "1.11.3", load: 0.52,
		},
	}
	script, engine, alone := contestants()[0], contestants()[1], contestants()[3]
	for round := 1; round <= 3; round++ {
		for i, by := range []contestant{script, engine} {
			at := float64(round) + float64(i)/2
			b := boot{by: by, round: round, clients: roundClients, seconds: map[milestone]float64{
				answered: at, leader: at + 1, voters: at + 1.01, ready: at + 2, removed: at / 10,
			}}
			if by.name == onProcesses {
				b.seconds[returned] = at + 2.1
				b.steps = []step{{0.0664, "lab", "network 172.30.1.0/24"}, {at, "observer", "leader: 127.0.0.1:1 names | 2"}}
			}
			r.rounds = append(r.rounds, b)
		}
	}
	r.rounds = append(r.rounds, boot{by: alone, round: 1, clients: roundClients, seconds: map[milestone]float64{ready: 3}})
	r.rounds = append(r.rounds, boot{by: engine, round: 4, clients: roundClients, err: errors.New("it was not up within 5m0s\nat all")})
	for i, clients := range []int{10, 1, 10} {
		nodes := uint64(3 + clients)
		r.sizes = append(r.sizes, boot{by: engine, round: i + 1, clients: clients, seconds: map[milestone]float64{
			ready: 2 + float64(clients)/10 + float64(i)/100, returned: 2.5 + float64(clients)/10, removed: 1,
		}, memory: memory{nodes: int(nodes), total: nodes * 30 << 20, private: nodes * 10 << 20, counted: "as told"}})
	}
	for round := 1; round <= 3; round++ {
		for i, name := range []string{onProcesses, "process-nomad", "process-cfssl", "docker-vault"} {
			b := boot{by: chosen([]string{name})[0], round: round, clients: roundClients, seconds: map[milestone]float64{ready: float64(2*round + i)}}
			if b.by.source == spec.VaultSource {
				b.seconds[vaultStart] = 1.5
			}
			r.sources = append(r.sources, b)
		}
	}
	r.sources = append(r.sources, boot{by: chosen([]string{onDocker})[0], round: 2, clients: roundClients, seconds: map[milestone]float64{ready: 2}})
	r.leftOut = []leftOut{{by: chosen([]string{"process-vault"})[0], why: "vault not in the cache", remedy: "`nomadlab image`"}}
	return r
}

func TestOutput(t *testing.T) {
	golden.Assert(t, markdown(someResults(), false), "tables.md")
	golden.Assert(t, markdown(someResults(), true), "aligned.md")
	here := strings.NewReplacer("goos: "+runtime.GOOS, "goos: linux", "goarch: "+runtime.GOARCH, "goarch: amd64")
	golden.Assert(t, here.Replace(benchmarkFormat(someResults())), "results.txt")
}

// TestOutputOfNothing: a run that was interrupted at once has only its machine to show.
func TestOutputOfNothing(t *testing.T) {
	got := markdown(results{interrupted: true}, false)
	if strings.Count(got, "### ") != 1 || !strings.Contains(got, "interrupted") {
		t.Errorf("want one table that says that the run was interrupted, got:\n%s", got)
	}
}

func TestRewrite(t *testing.T) {
	page := "# Title\n\nbefore\n\n" + beginMarker + "\nold numbers\n" + endMarker + "\n\nafter\n"
	want := "# Title\n\nbefore\n\n" + beginMarker + "\n\nnew numbers\n\n" + endMarker + "\n\nafter\n"
	got, err := rewrite(page, "\nnew numbers\n")
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	again, err := rewrite(got, "new numbers")
	if err != nil || again != got {
		t.Errorf("a second time: error %v, page:\n%s", err, again)
	}
}

func TestRewriteNeedsTheMarkers(t *testing.T) {
	for name, page := range map[string]string{
		"none":          "# Title\n",
		"no begin":      "a\n" + endMarker + "\n",
		"no end":        beginMarker + "\na\n",
		"wrong order":   endMarker + "\n" + beginMarker + "\n",
		"twice":         strings.Repeat(beginMarker+"\n"+endMarker+"\n", 2),
		"a second end":  beginMarker + "\n" + endMarker + "\n" + endMarker + "\n",
		"not on a line": beginMarker + " " + endMarker,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rewrite(page, "new")
			if !errors.Is(err, errMarkers) || got != "" {
				t.Fatalf("got %q, %v: want no page, and errMarkers", got, err)
			}
			for _, marker := range []string{beginMarker, endMarker} {
				if !strings.Contains(err.Error(), marker) {
					t.Errorf("the error does not say what to put there: %v", err)
				}
			}
		})
	}
}
