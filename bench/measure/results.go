package measure

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// Results are all that one run has measured.
type Results struct {
	// Date is when the run began.
	Date    time.Time `json:"date"`
	Machine Machine   `json:"machine"`
	// Interrupted is true when the run was ended before it was through.
	Interrupted bool `json:"interrupted,omitempty"`
	// Contestants are in the order in which they are shown.
	Contestants []Contestant `json:"contestants"`
	Boots       []Boot       `json:"boots"`
	Sizes       []Size       `json:"sizes,omitempty"`
	Traces      []Trace      `json:"traces,omitempty"`
}

// Machine is what it was measured on. An empty field could not be found out.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory uint64 `json:"memory_bytes"`
	Kernel string `json:"kernel"`
	Docker string `json:"docker"`
	Go     string `json:"go"`
	Nomad  string `json:"nomad"`
	// Load is the load average of one minute before anything was started.
	Load float64 `json:"load"`
}

// Contestant is one way to bring up a cluster.
type Contestant struct {
	// Name is a short word.
	Name string `json:"name"`
	// Title says it in words.
	Title string `json:"title"`
	// Against is the contestant that it is compared with. Empty: none.
	Against string `json:"against,omitempty"`
}

// Boot is one cluster that was brought up and removed.
type Boot struct {
	Contestant string `json:"contestant"`
	// Round counts from 1.
	Round int `json:"round"`
	// Place is when in the round it was its turn, from 1.
	Place int `json:"place"`
	// Seconds has the milestones that were seen.
	Seconds map[Milestone]float64 `json:"seconds"`
	// Error says why it was not to the end. Such a boot does not count.
	Error string `json:"error,omitempty"`
}

// Size is one cluster of three servers and a number of clients.
type Size struct {
	Boot
	Clients int    `json:"clients"`
	Memory  Memory `json:"memory"`
}

// Memory is what a cluster's agents take, when it is ready. Both are sums in bytes.
type Memory struct {
	Nodes int `json:"nodes"`
	// Total counts pages that several agents share, such as their program, once for each process that has them (RSS); of
	// containers it is what the daemon's statistics charge, without the cache of files that are not in use.
	Total uint64 `json:"total_bytes"`
	// Private leaves out what is backed by files: the memory that one more agent really takes.
	Private uint64 `json:"private_bytes"`
	// Counted says how it was counted.
	Counted string `json:"counted"`
}

// Trace is one boot, step by step.
type Trace struct {
	Contestant string `json:"contestant"`
	Steps      []Step `json:"steps"`
}

// Step is something that happened.
type Step struct {
	// At is in seconds since the start.
	At float64 `json:"at"`
	// Source is who says so: "lab" or "observer".
	Source string `json:"source"`
	Text   string `json:"text"`
}

// Seconds are a contestant's times of one milestone, by round. Boots that failed are left out.
func (r Results) Seconds(contestant string, m Milestone) map[int]float64 {
	out := map[int]float64{}
	for _, b := range r.Boots {
		if s, seen := b.Seconds[m]; seen && b.Contestant == contestant && b.Error == "" {
			out[b.Round] = s
		}
	}
	return out
}

// Summary is that of Seconds.
func (r Results) Summary(contestant string, m Milestone) Summary {
	return Summarize(values(r.Seconds(contestant, m)))
}

// SizesOf are the clusters of one contestant that came up, in the order of their size.
func (r Results) SizesOf(contestant string) []Size {
	out := slices.Clone(r.Sizes)
	out = slices.DeleteFunc(out, func(s Size) bool { return s.Contestant != contestant || s.Error != "" })
	slices.SortStableFunc(out, func(a, b Size) int { return a.Clients - b.Clients })
	return out
}

// Growth is how the time to a milestone grows with the number of clients.
func (r Results) Growth(contestant string, m Milestone) Growth {
	var points []Point
	for _, s := range r.SizesOf(contestant) {
		points = append(points, Point{float64(s.Clients), s.Seconds[m]})
	}
	return Grow(points)
}

// Save writes the results as JSON.
func (r Results) Save(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write the results as JSON: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}

// Load reads what Save has written.
func Load(path string) (Results, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Results{}, fmt.Errorf("read the results: %w", err)
	}
	var r Results
	if err := json.Unmarshal(data, &r); err != nil {
		return Results{}, fmt.Errorf("read the results in %s: %w", path, err)
	}
	return r, nil
}

// BootClients are how many clients the clusters of Results.Boots have.
const BootClients = 2
