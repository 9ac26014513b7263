package labtest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/poll"
)

func factsOf(t *testing.T, l *lab.Lab) facts {
	t.Helper()
	f := facts{Name: l.Name(), Folder: filepath.Dir(l.TLSFolder()), Subnet: l.Plan().Subnet}
	for _, n := range l.Nodes() {
		s, err := n.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.Run = s.Labels["run"]
		for _, at := range s.Endpoints {
			f.Endpoints = append(f.Endpoints, at)
		}
	}
	return f
}

// children is a test process with labs of its own.
type children struct {
	command *exec.Cmd
	// count is how many labs it has.
	count int
	stdin io.Closer
	said  *bufio.Scanner
	// printed is what it wrote as a test.
	printed *lines
	once    sync.Once
	ended   error
}

// lines is a buffer that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// launch starts this test binary again, with its labs' folders below home; in Docker, unless env says otherwise.
func launch(t *testing.T, home, role string, count int, env ...string) *children {
	t.Helper()
	c := prepare(t, home, role, count, env...)
	c.start(t)
	return c
}

// prepare is launch without the start.
func prepare(t *testing.T, home, role string, count int, env ...string) *children {
	t.Helper()
	c := &children{command: exec.Command("/proc/self/exe"), count: count, printed: &lines{}}
	c.command.Env = append(os.Environ(), "XDG_STATE_HOME="+home, roleName+"="+role, fmt.Sprintf("%s=%d", countName, count))
	c.command.Env = append(c.command.Env, engines.Variable+"="+string(engines.Docker))
	c.command.Env = append(c.command.Env, env...)
	stdin, err := c.command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.stdin, c.said, c.command.Stderr = stdin, bufio.NewScanner(out), c.printed
	return c
}

func (c *children) start(t *testing.T) {
	t.Helper()
	if err := c.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.end() })
}

// ready waits for the facts of so many labs.
func (c *children) ready(t *testing.T, count int) []facts {
	t.Helper()
	var out []facts
	for len(out) < count && c.said.Scan() {
		var f facts
		if json.Unmarshal(c.said.Bytes(), &f) == nil && f.Name != "" {
			out = append(out, f)
			continue
		}
		_, _ = fmt.Fprintln(c.printed, c.said.Text())
		if c.said.Text() == failed {
			break
		}
	}
	if len(out) < count {
		_ = c.end() // it prints why at its end
		t.Fatalf("%d of %d labs came up (%v):\n%s", len(out), count, c.said.Err(), c.printed)
	}
	return out
}

// end lets the child's tests end, and returns how the process did.
func (c *children) end() error {
	c.once.Do(func() {
		_ = c.stdin.Close()
		for c.said.Scan() {
			_, _ = fmt.Fprintln(c.printed, c.said.Text())
		}
		c.ended = c.command.Wait()
	})
	return c.ended
}

// kill is kill -9.
func (c *children) kill(t *testing.T) {
	t.Helper()
	if err := c.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.end()
}

// traces are what there is of a lab, by the word of the daemon and the kernel: Nodes are containers, and processes that bear
// its name; Networks are Docker's, and the folders of runs without Docker; Processes are those that bear its run.
type traces struct{ Nodes, Networks, Processes, Keys int }

func (s traces) String() string {
	return fmt.Sprintf("%d nodes, %d networks, %d processes, %d key files", s.Nodes, s.Networks, s.Processes, s.Keys)
}

// look counts the traces of a lab whose folders are below home.
func look(t *testing.T, name, home string) (seen traces, run string) {
	t.Helper()
	seen, run = lookAtDocker(t, name)
	for _, environ := range environments(t, "NOMADLAB_LAB="+name) {
		seen.Nodes++
		_, after, _ := strings.Cut(environ, "\x00NOMADLAB_RUN=")
		run, _, _ = strings.Cut(after, "\x00")
	}
	seen.Networks += len(runFolders(t, run))
	keys, err := filepath.Glob(filepath.Join(home, "nomadlab", "labs", name+".*", "tls", "*-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	seen.Keys = len(keys)
	return seen, run
}

func lookAtDocker(t *testing.T, name string) (seen traces, run string) {
	t.Helper()
	docker, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = docker.Close() }()
	filter := make(client.Filters).Add("label", "nomadlab.lab="+name)
	containers, err := docker.ContainerList(context.Background(), client.ContainerListOptions{All: true, Filters: filter})
	if err != nil {
		t.Fatal(err)
	}
	networks, err := docker.NetworkList(context.Background(), client.NetworkListOptions{Filters: filter})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers.Items {
		run = c.Labels["nomadlab.run"]
	}
	return traces{Nodes: len(containers.Items), Networks: len(networks.Items)}, run
}

// runFolders are those that a run without Docker has.
func runFolders(t *testing.T, run string) []string {
	t.Helper()
	if run == "" {
		return nil
	}
	found, err := filepath.Glob(filepath.Join(os.TempDir(), "nomadlab-*", run))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// environments are those of the living processes that have that entry.
func environments(t *testing.T, entry string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		if environ, err := os.ReadFile(file); err == nil && strings.Contains("\x00"+string(environ), "\x00"+entry+"\x00") {
			found = append(found, string(environ))
		}
	}
	return found
}

// gone demands that nothing of the lab is left within the limit.
func gone(t *testing.T, name, run, home string, limit time.Duration) {
	t.Helper()
	var seen traces
	within(t, limit, func() string {
		seen, _ = look(t, name, home)
		seen.Networks += len(runFolders(t, run))
		if seen.Processes = len(environments(t, "NOMADLAB_RUN="+run)); seen == (traces{}) {
			return ""
		}
		return fmt.Sprintf("of lab %s there are left %s", name, seen)
	})
	if left, err := filepath.Glob(filepath.Join(home, "nomadlab", "labs", name+".*")); err != nil || len(left) > 0 {
		within(t, limit, func() string {
			if left, _ = filepath.Glob(filepath.Join(home, "nomadlab", "labs", name+".*")); len(left) > 0 {
				return fmt.Sprintf("folders are left: %v", left)
			}
			return ""
		})
	}
}

// within waits until the condition says "". The test's own context may have ended.
func within(t *testing.T, limit time.Duration, condition func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := poll.Until(ctx, "what the test demands", func(context.Context) string { return condition() }); err != nil {
		t.Fatal(err)
	}
}

// apart demands that labs which are there at once share nothing.
func apart(t *testing.T, labs []facts) {
	t.Helper()
	names, folders, endpoints := map[string]bool{}, map[string]bool{}, map[netip.AddrPort]string{}
	for i, l := range labs {
		names[l.Name], folders[l.Folder] = true, true
		for _, at := range l.Endpoints {
			if other, taken := endpoints[at]; taken {
				t.Errorf("%s and %s are both at %s", l.Name, other, at)
			}
			endpoints[at] = l.Name
		}
		for _, other := range labs[:i] {
			if l.Subnet.Overlaps(other.Subnet) {
				t.Errorf("%s has %s, %s has %s", l.Name, l.Subnet, other.Name, other.Subnet)
			}
		}
	}
	if len(names) != len(labs) || len(folders) != len(labs) {
		t.Errorf("%d labs have %d names and %d folders", len(labs), len(names), len(folders))
	}
	if len(endpoints) < 2*len(labs) {
		t.Errorf("%d labs have %d endpoints", len(labs), len(endpoints))
	}
}
