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

	"nomadlab.internal/lab/engine/docker"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/poll"
)

// nomad returns a Nomad binary in a folder of the test's own, and the image that the labs run. The folder identifies the
// processes that run this binary.
func nomad(t *testing.T) (binary, ref string) {
	t.Helper()
	e, err := docker.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	inside, err := image.Resolve(t.Context(), e.DockerHost(), image.Request{}, nil)
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
	if err := os.WriteFile(page, []byte("# Performance\n\n"+beginMarker+"\n"+endMarker+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said, errs bytes.Buffer
	code := execute(t.Context(), []string{
		"--rounds", "1", "--sizes", "1", "--size-rounds", "1", "--source-rounds", "1", "--sources", strings.Join(testedSources(), ","),
		"--nomad", binary, "--out", out, "--docs", docs,
	}, &said, &errs)
	if code != 0 {
		t.Fatalf("exit code %d:\n%s%s", code, errs.String(), said.String())
	}
	wantEverything(t, readResults(t, out), vaultIsHere(t))
	if !strings.Contains(errs.String(), "round 1/1: ") {
		t.Errorf("no line for the round: %s", errs.String())
	}
	rewritten, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(rewritten), "### Three servers, two clients") {
		t.Errorf("the page did not get the tables: %v\n%s", err, rewritten)
	}
	if strings.Contains(string(rewritten), home+"/") || !strings.Contains(string(rewritten), "~/"+filepath.Base(binary)) {
		t.Errorf("the page does not name files below %s as ~:\n%s", home, rewritten)
	}
	tables, err := os.ReadFile(filepath.Join(out, "results.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, title := range []string{"The machine", "Three servers, two clients", "Certificates from other sources", "Three servers, more and more clients", "One boot, step by step: process engine", "One boot, step by step: Docker engine"} {
		if !strings.Contains(string(tables), "### "+title+"\n") || !strings.Contains(said.String(), "### "+title+"\n") {
			t.Errorf("no table %q in results.md or on standard output:\n%s", title, said.String())
		}
	}
	for _, what := range []string{"processor", "memory", "kernel", "Docker", "Go", "Nomad"} {
		if strings.Contains(string(tables), "| "+what+" | – |") || strings.Contains(string(tables), "| "+what+" | 0.0") {
			t.Errorf("%s of the machine is missing:\n%s", what, tables)
		}
	}
	wantNothingLeft(t, binary, state)
}

// measured is one line of Go's benchmark format.
type measured struct {
	name   string
	values map[string]float64
}

// readResults reads results.txt as benchstat does: a name, a count, then pairs of a value and a unit.
func readResults(t *testing.T, folder string) []measured {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "results.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out []measured
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if !strings.HasPrefix(line, "Benchmark") {
			continue
		}
		if len(fields) < 4 || len(fields)%2 != 0 || fields[1] != "1" {
			t.Fatalf("not a line of a benchmark: %q", line)
		}
		m := measured{fields[0], map[string]float64{}}
		for i := 2; i < len(fields); i += 2 {
			if m.values[fields[i+1]], err = strconv.ParseFloat(fields[i], 64); err != nil {
				t.Fatalf("not a line of a benchmark: %q: %v", line, err)
			}
		}
		out = append(out, m)
	}
	return out
}

// testedSources returns the sources of the short run.
func testedSources() []string { return []string{"process-nomad", "process-vault"} }

// vaultIsHere reports whether a lab with Vault can be measured.
func vaultIsHere(t *testing.T) bool {
	t.Helper()
	for _, part := range []image.Part{image.Vault, image.ConsulTemplate} {
		if here, err := image.Cached(t.Context(), "", image.Request{Part: part}); err != nil || !here {
			t.Logf("%s is not here: %v", part, err)
			return false
		}
	}
	return true
}

// wantEverything looks for what every contestant and every engine must have shown, and Vault's labs if Vault is here.
func wantEverything(t *testing.T, all []measured, withVault bool) {
	t.Helper()
	var got, want []string
	for _, name := range names(contestant.inRounds) {
		want = append(want, "BenchmarkRound/by="+name+"/clients=2")
	}
	want = append(want, "BenchmarkSource/by=process/clients=2", "BenchmarkSource/by=process-nomad/clients=2")
	if withVault {
		want = append(want, "BenchmarkSource/by=process-vault/clients=2")
	}
	for _, name := range names(contestant.isEngine) {
		want = append(want, "BenchmarkSize/by="+name+"/clients=1")
	}
	for _, m := range all {
		got = append(got, m.name)
		for _, unit := range []string{"first-HTTPS-answer-sec", "leader-sec", "all-voters-sec", "clients-ready-sec", "removed-sec"} {
			if m.values[unit] <= 0 {
				t.Errorf("%s: %s was not seen: %v", m.name, unit, m.values)
			}
		}
		if start, is := m.values["Vault-start-sec"]; is != strings.Contains(m.name, "vault") || is && (start <= 0 || start >= m.values["clients-ready-sec"]) {
			t.Errorf("%s: the start of Vault took %v s: %v", m.name, start, m.values)
		}
		total, private := m.values["memory-B"], m.values["private-B"]
		if strings.HasPrefix(m.name, "BenchmarkSize") && (private <= 0 || total < private || m.values["Up-returned-sec"] <= 0) {
			t.Errorf("%s: %v: want the time of lab.Up, and memory", m.name, m.values)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("measured %v, want %v", got, want)
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
		"--contestants", floorByHand, "--size-rounds", "0", "--source-rounds", "0", "--engines", "", "--rounds", "1000", "--nomad", binary, "--out", out, "--docs", docs,
	}, io.Discard, errs)
	if code != exitInterrupted {
		t.Fatalf("exit code %d, want %d: %s", code, exitInterrupted, errs.all.String())
	}
	text, err := os.ReadFile(filepath.Join(out, "results.txt"))
	if all := readResults(t, out); err != nil || len(all) != 1 || !strings.Contains(string(text), "# interrupted: yes") {
		t.Errorf("%v, measured %v: want the one that was measured, and that the run was interrupted:\n%s", err, all, text)
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
			folder, prefix := t.TempDir(), randomName()
			variables := []string{"NOMAD=" + binary, "IMAGE=" + ref, "LOOPBACK=" + randomLoopback(), "NAME=" + prefix}
			a, err := startScript(t.Context(), contestant{name: name, title: name, script: text}, folder, variables, 2)
			if err != nil {
				t.Fatal(err)
			}
			ctx, interrupt := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- a.begin(ctx) }()
			err = poll.Until(ctx, "the first agent", func(context.Context) string {
				if len(a.servers()) == 0 {
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
			if err := a.remove(ctx); err != nil {
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

// TestScriptSyntax lets bash parse both scripts.
func TestScriptSyntax(t *testing.T) {
	for _, name := range []string{"floor.sh", "docker.sh"} {
		if out, err := exec.CommandContext(t.Context(), "bash", "-n", name).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestSubnetOutsideDockersPools: docker.sh tries at least one subnet outside Docker's own pools. A network without a chosen
// subnet may take a whole pool, and in time Docker uses each of them (172.17.0.0/16 to 172.31.0.0/16 and 192.168.0.0/16 by
// default; verified against 20.10).
func TestSubnetOutsideDockersPools(t *testing.T) {
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
	all := []contestant{{name: "a"}, {name: "b"}, {name: "c"}, {name: "d"}}
	had := map[string]bool{}
	for round := range all {
		for place, c := range rotated(all, round) {
			had[c.name+strconv.Itoa(place)] = true
		}
	}
	if len(had) != len(all)*len(all) {
		t.Errorf("places that were had: %v, want 16", slices.Sorted(maps.Keys(had)))
	}
	if rotated(nil, 3) != nil {
		t.Error("an empty list, rotated, is not empty")
	}
}

func TestWrongFlags(t *testing.T) {
	for flags, want := range map[string]string{
		"--rounds -1":                 "--rounds is -1",
		"--size-rounds -1":            "--size-rounds -1",
		"--source-rounds -1":          "--source-rounds -1",
		"--timeout 0s":                "--timeout is 0s",
		"--sizes 1,-5":                "fewer than no clients",
		"--contestants kind":          "none of processes-by-hand",
		"--engines docker-by-hand":    "none of ",
		"--sources process":           "none of process-nomad",
		"--contestants process-nomad": "none of processes-by-hand",
		"surplus":                     "surplus",
	} {
		var errs bytes.Buffer
		if code := execute(t.Context(), strings.Fields(flags), io.Discard, &errs); code != exitFailed || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: exit code %d and %q, want %d and %q", flags, code, errs.String(), exitFailed, want)
		}
	}
}
