package main

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"nomadlab.internal/bench/contest"
	"nomadlab.internal/bench/measure"
	"nomadlab.internal/bench/report"
	"nomadlab.internal/lab/engine/docker"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/poll"
)

// nomad is a Nomad in a folder of the test's own, by which what runs of it is known, and the image that the labs run.
func nomad(t *testing.T) (binary, ref string) {
	t.Helper()
	e, err := docker.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	inside, err := image.ResolveAt(t.Context(), e.DockerHost(), image.Request{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	here, err := image.ResolveBinary(t.Context(), image.Request{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(here.Path)
	if err != nil {
		t.Fatal(err)
	}
	binary = filepath.Join(t.TempDir(), "nomad")
	if err := os.WriteFile(binary, program, 0o755); err != nil { //nolint:gosec // the agents' user runs it
		t.Fatal(err)
	}
	return binary, inside.Ref
}

// runsFrom are the processes that have that text on their command line, this one left out.
func runsFrom(t *testing.T, text string) []string {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, path := range found {
		line, err := os.ReadFile(path)
		if err == nil && bytes.Contains(line, []byte(text)) && path != "/proc/"+strconv.Itoa(os.Getpid())+"/cmdline" {
			out = append(out, path+" "+string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return out
}

// openFolder is one that the agents' user may enter.
func openFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, at := range []string{filepath.Dir(folder), folder} {
		if err := os.Chmod(at, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// TestRun is a short run of everything, on real clusters.
func TestRun(t *testing.T) {
	binary, _ := nomad(t)
	state, out, docs := t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	t.Setenv("TMPDIR", openFolder(t))
	home := filepath.Dir(binary)
	t.Setenv("HOME", home)
	page := filepath.Join(docs, "performance.md")
	if err := os.WriteFile(page, []byte("# Performance\n\n"+report.Begin+"\n"+report.End+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said, errs bytes.Buffer
	code := execute(t.Context(), []string{
		"--rounds", "1", "--sizes", "1", "--size-rounds", "1", "--nomad", binary, "--out", out, "--docs", docs,
	}, &said, &errs)
	if code != 0 {
		t.Fatalf("exit code %d:\n%s%s", code, errs.String(), said.String())
	}
	r, err := measure.Load(filepath.Join(out, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	wantEverything(t, r)
	if !strings.Contains(errs.String(), "round 1/1: ") {
		t.Errorf("no line for the round: %s", errs.String())
	}
	rewritten, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(rewritten), "performance-boot.svg") {
		t.Errorf("the page did not get the charts: %v\n%s", err, rewritten)
	}
	if strings.Contains(string(rewritten), home+"/") || !strings.Contains(string(rewritten), "~/"+filepath.Base(binary)) {
		t.Errorf("the page does not name files below %s as ~:\n%s", home, rewritten)
	}
	for _, name := range []string{
		filepath.Join(out, "results.md"), filepath.Join(out, "boot.svg"), filepath.Join(out, "size.svg"),
		filepath.Join(docs, "performance-boot.svg"), filepath.Join(docs, "performance-size.svg"),
	} {
		if info, err := os.Stat(name); err != nil || info.Size() == 0 {
			t.Errorf("%s is not there, or empty: %v", name, err)
		}
	}
	wantNothingLeft(t, binary, state)
}

// wantEverything looks for what every contestant and every engine must have shown.
func wantEverything(t *testing.T, r measure.Results) {
	t.Helper()
	var boots []string
	for _, b := range r.Boots {
		boots = append(boots, b.Contestant)
		for _, m := range measure.Compared() {
			if b.Seconds[m] <= 0 {
				t.Errorf("%s: %q was not seen: %v", b.Contestant, m.Title(), b.Seconds)
			}
		}
	}
	if !slices.Equal(boots, names()) {
		t.Errorf("boots of %v, want %v", boots, names())
	}
	for _, s := range r.Sizes {
		if s.Memory.Nodes != contest.Servers+1 || s.Memory.Private == 0 || s.Memory.Total < s.Memory.Private {
			t.Errorf("memory of %s: %+v, want that of %d nodes", s.Contestant, s.Memory, contest.Servers+1)
		}
	}
	if len(r.Sizes) != len(engineNames()) || len(r.Traces) != len(engineNames()) {
		t.Errorf("%d sizes and %d traces, want one of each for %v", len(r.Sizes), len(r.Traces), engineNames())
	}
	if r.Machine.Nomad == "" || r.Machine.Docker == "" || r.Machine.CPU == "" || r.Machine.Kernel == "" || r.Machine.Memory == 0 {
		t.Errorf("of the machine something is missing: %+v", r.Machine)
	}
}

func wantNothingLeft(t *testing.T, binary, state string) {
	t.Helper()
	if left := runsFrom(t, binary); len(left) != 0 {
		t.Errorf("still running: %q", left)
	}
	if left, _ := filepath.Glob(filepath.Join(state, "nomadlab", "labs", "*")); len(left) != 0 {
		t.Errorf("folders of labs are left: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "nomadlab-bench-*")); len(left) != 0 {
		t.Errorf("folders of scripts are left: %v", left)
	}
}

// TestInterrupted: what was measured until then is kept, and the page is left alone.
func TestInterrupted(t *testing.T) {
	binary, _ := nomad(t)
	out, docs := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", openFolder(t))
	ctx, interrupt := context.WithCancel(t.Context())
	errs := &listener{text: "round 1/", heard: interrupt}
	code := execute(ctx, []string{
		"--contestants", floorByHand, "--size-rounds", "0", "--engines", "", "--rounds", "1000", "--nomad", binary, "--out", out, "--docs", docs,
	}, io.Discard, errs)
	if code != exitInterrupted {
		t.Fatalf("exit code %d, want %d: %s", code, exitInterrupted, errs.all.String())
	}
	r, err := measure.Load(filepath.Join(out, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Interrupted || len(r.Boots) != 1 || r.Boots[0].Error != "" {
		t.Errorf("interrupted %v, boots %+v: want true, and the one that was measured", r.Interrupted, r.Boots)
	}
	if left, _ := os.ReadDir(docs); len(left) != 0 {
		t.Errorf("the documentation was written: %v", left)
	}
	wantNothingLeft(t, binary, t.TempDir())
}

// listener calls heard when the text is written.
type listener struct {
	mu    sync.Mutex
	text  string
	heard func()
	all   bytes.Buffer
}

func (l *listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Contains(string(p), l.text) {
		l.heard()
	}
	return l.all.Write(p)
}

// TestScriptsCleanUpHalfway interrupts each script as soon as its first agent is started.
func TestScriptsCleanUpHalfway(t *testing.T) {
	binary, ref := nomad(t)
	for name, text := range map[string]string{floorByHand: floorScript, dockerByHand: dockerScript} {
		t.Run(name, func(t *testing.T) {
			folder, prefix := t.TempDir(), labName()
			c := contest.Script{
				Contestant: measure.Contestant{Name: name, Title: name}, Text: text, Folder: folder,
				Environment: []string{"NOMAD=" + binary, "IMAGE=" + ref, "LOOPBACK=" + loopback(), "NAME=" + prefix},
			}
			a, err := c.Prepare(t.Context(), 2)
			if err != nil {
				t.Fatal(err)
			}
			ctx, interrupt := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- a.Begin(ctx) }()
			err = poll.Until(ctx, "the first agent", func(context.Context) string {
				if len(a.Servers()) == 0 {
					return "none"
				}
				return ""
			})
			interrupt()
			if err != nil {
				t.Error(err)
			}
			if err := <-ended; err == nil {
				t.Error("an interrupted start ended well")
			}
			if err := a.Remove(ctx); err != nil {
				t.Error(err)
			}
			wantNothingOf(t, binary, folder, prefix)
		})
	}
}

// wantNothingOf looks for agents, containers and files of a script.
func wantNothingOf(t *testing.T, binary, folder, prefix string) {
	t.Helper()
	if left := runsFrom(t, binary); len(left) != 0 {
		t.Errorf("still running: %q", left)
	}
	if left, _ := os.ReadDir(folder); len(left) != 0 {
		t.Errorf("files are left: %v", left)
	}
	for _, args := range [][]string{{"ps", "--all"}, {"network", "ls"}} {
		args = append(args, "--quiet", "--filter", "name="+prefix)
		out, err := exec.CommandContext(t.Context(), "docker", args...).Output()
		if err != nil || len(bytes.TrimSpace(out)) != 0 {
			t.Errorf("docker %s: %q, %v: want nothing", strings.Join(args, " "), out, err)
		}
	}
}

// TestScriptsAreSound: bash reads them to their end.
func TestScriptsAreSound(t *testing.T) {
	for _, name := range []string{"floor.sh", "docker.sh"} {
		if out, err := exec.CommandContext(t.Context(), "bash", "-n", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestAnotherNetworkOfDockersIsNoHindrance: a network for which nobody chose a subnet is in one of Docker's own pools, and may
// take the whole of it. Docker goes through its pools in turn, so that in time it comes to each (172.17.0.0/16 to 172.31.0.0/16
// and 192.168.0.0/16 by default; verified against 20.10).
func TestAnotherNetworkOfDockersIsNoHindrance(t *testing.T) {
	list, err := exec.CommandContext(t.Context(), "env", "-u", "SUBNETS", "bash", "-c", "eval \"$(grep '^SUBNETS=' docker.sh)\"; echo $SUBNETS").Output()
	if err != nil {
		t.Fatal(err)
	}
	outside := 0
	for start := range strings.FieldsSeq(string(list)) {
		subnet, err := netip.ParsePrefix(start + ".0/24")
		if err != nil {
			t.Error(err)
		}
		if !netip.MustParsePrefix("172.16.0.0/12").Overlaps(subnet) && !netip.MustParsePrefix("192.168.0.0/16").Overlaps(subnet) {
			outside++
		}
	}
	if outside == 0 {
		t.Errorf("each of %s may be taken", list)
	}
}

// TestRotation: in as many rounds as there are contestants, each has had every place once.
func TestRotation(t *testing.T) {
	var all []contest.Contestant
	for _, name := range []string{"a", "b", "c", "d"} {
		all = append(all, contest.Script{Contestant: measure.Contestant{Name: name}})
	}
	had := map[string]bool{}
	for round := range all {
		for place, c := range rotated(all, round) {
			had[c.About().Name+strconv.Itoa(place)] = true
		}
	}
	if len(had) != len(all)*len(all) {
		t.Errorf("places that were had: %v, want 16", slices.Sorted(maps.Keys(had)))
	}
	if rotated(nil, 3) != nil {
		t.Error("nobody, rotated, is somebody")
	}
}

func TestWrongFlags(t *testing.T) {
	for flags, want := range map[string]string{
		"--rounds -1":              "--rounds is -1",
		"--size-rounds -1":         "--size-rounds -1",
		"--timeout 0s":             "--timeout is 0s",
		"--sizes 1,-5":             "fewer than no clients",
		"--contestants kind":       "none of processes-by-hand",
		"--engines docker-by-hand": "none of ",
		"surplus":                  "surplus",
	} {
		var errs bytes.Buffer
		if code := execute(t.Context(), strings.Fields(flags), io.Discard, &errs); code != exitFailed || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: exit code %d and %q, want %d and %q", flags, code, errs.String(), exitFailed, want)
		}
	}
}
