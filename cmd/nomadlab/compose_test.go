package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/client"
	"gotest.tools/v3/golden"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/internal/watchdog"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/posture/catalogue"
)

// committed returns the path of the repository's compose file.
func committed(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTheCommittedComposeFileIsThePlans compares the committed file with the plan, which needs no engine.
func TestTheCommittedComposeFileIsThePlans(t *testing.T) {
	a := newApp()
	a.connect = func(context.Context, engines.Kind) (*engines.Set, error) {
		return nil, errors.New("an engine was asked")
	}
	r := call(t, a, "", "plan", "--format", "compose")
	if r.code != exitFine || r.errs != "" {
		t.Fatalf("%+v", r)
	}
	golden.Assert(t, r.out, committed(t))
}

func TestPlanAsComposeSaysWhatItCannot(t *testing.T) {
	for args, says := range map[string]string{
		"plan --format compose --subnet 172.30.7.0/24":  "subnet is",
		"plan --format compose --nomad-binary ./nomad":  "name an image",
		"plan --format compose --servers 0":             "regions[0].servers",
		"plan --format compos":                          "text, json or compose",
		"plan --format compose --image nomad:${LATEST}": "name an image",
	} {
		r := call(t, newApp(), "", strings.Fields(args)...)
		if r.code != exitUsage || r.out != "" || !strings.Contains(r.errs, says) {
			t.Errorf("%s: %+v, want %q", args, r, says)
		}
	}
}

// composed runs docker-compose or the Compose plugin, in a folder that has only the committed file.
type composed struct {
	command     []string
	environment []string
	folder      string
}

func newComposed(t *testing.T, environment []string) composed {
	t.Helper()
	c := composed{folder: t.TempDir(), environment: append(os.Environ(), environment...), command: []string{"docker-compose"}}
	if _, err := exec.LookPath("docker-compose"); err != nil {
		c.command = []string{"docker", "compose"}
		if err := exec.CommandContext(t.Context(), "docker", "compose", "version").Run(); err != nil {
			t.Fatal("neither docker-compose nor the Compose plugin of docker is here. On Debian: apt-get install docker-compose")
		}
	}
	text, err := os.ReadFile(committed(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.folder, "docker-compose.yml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c composed) run(t *testing.T, args ...string) {
	t.Helper()
	args = append(slices.Clone(c.command), args...)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = c.folder, c.environment
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// composeWorld returns the name of a lab for Compose and the environment to make it with. The lab is removed when the test
// ends, even if it is killed.
func composeWorld(t *testing.T, u user) (name string, e engine.Engine, environment []string) {
	t.Helper()
	name = unused(t)
	e = realEngine(t, u.engine, name)
	found, err := image.Resolve(t.Context(), e.DockerHost(), image.Request{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := e.Footprint("lab", name)
	guard, err := watchdog.Start(t.Context(), watchdog.Target{DockerHost: f.DockerHost, Label: f.Label})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := guard.Release(); err != nil {
			t.Error(err)
		}
	})
	return name, e, []string{"NOMAD_IMAGE=" + found.Ref, "NOMADLAB_NAME=" + name, "COMPOSE_PROJECT_NAME=" + name}
}

// TestTheComposeFileMakesALabLikeAnyOther brings the committed file up by Compose alone, and then uses nomadlab.
func TestTheComposeFileMakesALabLikeAnyOther(t *testing.T) {
	t.Parallel()
	u := user{engine: engines.Docker}
	name, e, environment := composeWorld(t, u)
	defer func() { u.must(t, "down", name) }()
	c := newComposed(t, environment)
	c.run(t, "up", "-d")
	folder := filepath.Join(os.Getenv("XDG_STATE_HOME"), "nomadlab", "labs", name+".compose-"+name)

	listed := listedLab(t, u, name)
	if listed.Nodes != 5 || listed.State != "running" || listed.Nomad != image.DefaultVersion || listed.FolderLost != "" || time.Since(listed.Created) > time.Hour {
		t.Errorf("list, before the lab was opened: %+v", listed)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("list made a folder")
	}
	t.Run("status", func(t *testing.T) { composedStatus(t, u, name) })
	t.Run("env", func(t *testing.T) { tryEnv(t, u, name) })
	t.Run("nomad", func(t *testing.T) {
		contains(t, u.must(t, "nomad", name, "--", "server", "members"), "server-3.global", "alive")
		if r := u.call(t, job, "nomad", name, "--", "job", "run", "-detach", "-"); r.code != exitFine {
			t.Errorf("a job: %+v", r)
		}
	})
	t.Run("logs", func(t *testing.T) { tryLogs(t, u, name) })
	t.Run("keys", func(t *testing.T) { tryKeys(t, u, name, folder) })
	t.Run("confined", func(t *testing.T) { tryConfinement(t, name) })
	t.Run("up again", func(t *testing.T) {
		before := keyFiles(t, folder)
		c.run(t, "up", "-d")
		u.must(t, "status", name)
		if after := keyFiles(t, folder); !slices.Equal(before, after) {
			t.Error("there are new keys")
		}
	})
	if t.Failed() {
		return // what follows would wait for a lab that is no longer whole
	}
	t.Run("restart", func(t *testing.T) {
		c.run(t, "restart") // all at once: Docker's own addresses may change hands
		composedStatus(t, u, name)
	})
	t.Run("start", func(t *testing.T) { tryStartComposed(t, u, e, name) })
	t.Run("check", func(t *testing.T) { checkComposed(t, u, name) })
	t.Run("removed", func(t *testing.T) { tryRemovedComposed(t, u, c, name) })
	if r := u.call(t, "", "up", "--name", name); r.code != exitUsage || !strings.Contains(r.errs, "taken") {
		t.Errorf("up under its name: %+v", r)
	}
	contains(t, u.must(t, "down", name), "removed, 5 nodes")
	nothingLeft(t, name, folder)
}

func listedLab(t *testing.T, u user, name string) lab.Listed {
	t.Helper()
	var labs []lab.Listed
	if err := json.Unmarshal([]byte(u.must(t, "list", "--json")), &labs); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(labs, func(l lab.Listed) bool { return l.Name == name })
	if i < 0 {
		t.Fatalf("lab %s is not among %+v", name, labs)
	}
	return labs[i]
}

// composedStatus waits until the clients have registered: Compose does not wait for that.
func composedStatus(t *testing.T, u user, name string) {
	ctx, cancel := context.WithTimeout(t.Context(), deadline.Hang)
	defer cancel()
	var status lab.Status
	err := poll.Until(ctx, "the lab to be ready", func(context.Context) string {
		r := u.call(t, "", "status", name, "--json")
		status = lab.Status{}
		if err := json.Unmarshal([]byte(r.out), &status); err != nil {
			t.Fatalf("%v: %+v", err, r)
		}
		return strings.Join(status.Trouble, ", ")
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	leaders := 0
	for _, n := range status.Nodes {
		names = append(names, n.Name)
		if n.Leader {
			leaders++
		}
		if !strings.HasPrefix(n.Address, "169.254.") {
			t.Errorf("%s is known at %s", n.Name, n.Address)
		}
		if left := time.Until(n.CertificateExpires); left < 6*24*time.Hour || left > 7*24*time.Hour {
			t.Errorf("the certificate of %s lasts for %s", n.Name, left)
		}
	}
	if want := []string{"server-1", "server-2", "server-3", "client-1", "client-2"}; !slices.Equal(names, want) || leaders != 1 {
		t.Errorf("nodes %v, %d leaders, want %v", names, leaders, want)
	}
}

// tryKeys checks the owner of every node's files, and that a node has no key but its own.
func tryKeys(t *testing.T, u user, name, folder string) {
	for _, node := range []string{"server-1", "server-2", "server-3", "client-1", "client-2"} {
		role, _, _ := strings.Cut(node, "-")
		id := pki.Identity{Role: pki.Role(role)}
		want := []string{
			"700 1000:1000 /nomad/config", "600 1000:1000 /nomad/config/agent.hcl", "700 1000:1000 /nomad/data", "700 1000:1000 /nomad/tls",
			"600 1000:1000 /nomad/tls/" + id.KeyFile(), "600 1000:1000 /nomad/tls/" + id.CertFile(), "600 1000:1000 /nomad/tls/" + pki.CAFile,
		}
		if role == "server" {
			want = append(want, "600 1000:1000 /nomad/config/gossip.hcl")
		}
		slices.Sort(want)
		got := strings.Split(strings.TrimSpace(u.must(t, "exec", name, node, "--", "sh", "-c",
			"stat -c '%a %u:%g %n' /nomad/config /nomad/config/* /nomad/data /nomad/tls /nomad/tls/*")), "\n")
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", node, got, want)
		}
		if id := u.must(t, "exec", name, node, "--", "id", "-u"); id != "1000\n" {
			t.Errorf("%s runs as %s", node, id)
		}
	}
	authority := secretLine(t, filepath.Join(folder, "tls", pki.CAKeyFile))
	for holder, line := range map[string]string{
		"nobody":   authority,
		"server-2": strings.Split(u.must(t, "exec", name, "server-2", "--", "cat", "/nomad/tls/global-server-nomad-key.pem"), "\n")[1],
		"client-1": strings.Split(u.must(t, "exec", name, "client-1", "--", "cat", "/nomad/tls/global-client-nomad-key.pem"), "\n")[1],
	} {
		var holders []string
		for _, node := range []string{"server-1", "server-2", "server-3", "client-1", "client-2"} {
			// Files alone: a task's log goes through a pipe, and reading that would wait for the task.
			if found := u.must(t, "exec", name, node, "--", "sh", "-c", `find /nomad /tmp -type f | while read -r f; do grep -lF "$0" "$f" || true; done`, line); found != "" {
				holders = append(holders, node)
			}
		}
		if got := strings.Join(holders, " "); got != strings.TrimPrefix(holder, "nobody") {
			t.Errorf("a key of %s is on %q", holder, got)
		}
	}
}

// secretLine returns a line of a key that no other key has.
func secretLine(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")[1]
}

// keyFiles returns the contents of the files that env names, and of the authority.
func keyFiles(t *testing.T, folder string) []string {
	t.Helper()
	var out []string
	for _, name := range []string{pki.CAFile, pki.CAKeyFile, "global-cli-nomad.pem", "global-cli-nomad-key.pem"} {
		path := filepath.Join(folder, "tls", name)
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Fatalf("%s: %v, %v", path, info, err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return out
}

// ofDocker returns a client of the daemon, and a filter that selects the lab.
func ofDocker(t *testing.T, name string) (*client.Client, client.Filters) {
	t.Helper()
	c, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, make(client.Filters).Add("label", "nomadlab.lab="+name)
}

func tryConfinement(t *testing.T, name string) {
	c, filter := ofDocker(t, name)
	list, err := c.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: filter})
	if err != nil || len(list.Items) != 6 {
		t.Fatalf("%d containers, %v", len(list.Items), err)
	}
	for _, s := range list.Items {
		x, err := c.ContainerInspect(t.Context(), s.ID, client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		issuer := s.Labels["nomadlab.node"] == ""
		h := x.Container.HostConfig
		if !slices.Equal(h.CapDrop, []string{"ALL"}) || !slices.Equal(h.SecurityOpt, []string{"no-new-privileges"}) || h.Privileged || (len(h.CapAdd) > 0) != issuer {
			t.Errorf("%s: drops %v, adds %v, %v", x.Container.Name, h.CapDrop, h.CapAdd, h.SecurityOpt)
		}
		published := 0
		for port, bindings := range x.Container.NetworkSettings.Ports {
			for _, b := range bindings {
				published++
				if b.HostIP != netip.MustParseAddr("127.0.0.1") {
					t.Errorf("%s: %s is published on %s", x.Container.Name, port, b.HostIP)
				}
			}
		}
		if (published == 0) != issuer {
			t.Errorf("%s publishes %d ports", x.Container.Name, published)
		}
	}
}

// tryStartComposed kills a server and a client, and starts the lab again. The two get new ports, and may get new addresses.
func tryStartComposed(t *testing.T, u user, e engine.Engine, name string) {
	for _, node := range []string{"server-1", "client-1"} {
		if err := e.Kill(t.Context(), engine.Ref{Lab: name, Node: node}); err != nil {
			t.Fatal(err)
		}
	}
	contains(t, listedLine(t, u, name), "3/5", "partly running")
	if r := u.call(t, "", "status", name); r.code != exitFailed || !strings.Contains(r.out, "server-1 is stopped") {
		t.Errorf("status: %+v", r)
	}
	contains(t, u.must(t, "start", name), "is ready in", "leader")
}

// checkComposed runs all checks. The command exits with a failure, because checks are known to fail in a lab without ACLs. No
// other check may fail.
func checkComposed(t *testing.T, u user, name string) {
	called := u.call(t, "", "check", name, "--format", "json")
	var r finding.Report
	if err := json.Unmarshal([]byte(called.out), &r); err != nil || called.code != exitFailed {
		t.Fatalf("exit code %d, %v: %s", called.code, err, called.errs)
	}
	got := labtest.AllPass(t, r, catalogue.RunsElsewhere, "the cluster has no ACL system, so ", "passes such requests on to server-")
	if diff := cmp.Diff(labtest.Tally{Passed: 325, Skipped: 86, Cells: 252, Known: 166}, got); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

// tryRemovedComposed removes a container. Only the labels of the other containers show that it is missing. Then Compose makes
// it again.
func tryRemovedComposed(t *testing.T, u user, c composed, name string) {
	docker, _ := ofDocker(t, name)
	if _, err := docker.ContainerRemove(t.Context(), "nomadlab-"+name+"-client-2", client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	contains(t, listedLine(t, u, name), "4/5", "partly running")
	if r := u.call(t, "", "status", name); r.code != exitFailed || !strings.Contains(r.out, "client-2 is missing") || !strings.Contains(r.out, "docker-compose up -d") {
		t.Errorf("status: %+v", r)
	}
	c.run(t, "up", "-d")
	composedStatus(t, u, name)
}

// nothingLeft looks for objects with the lab's label, volumes with its name, and the folder of its keys.
func nothingLeft(t *testing.T, name, folder string) {
	t.Helper()
	c, filter := ofDocker(t, name)
	containers, err := c.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: filter})
	networks, err2 := c.NetworkList(t.Context(), client.NetworkListOptions{Filters: filter})
	volumes, err3 := c.VolumeList(t.Context(), client.VolumeListOptions{Filters: make(client.Filters).Add("name", name)}) // labelled or not
	if err := errors.Join(err, err2, err3); err != nil || len(containers.Items)+len(networks.Items)+len(volumes.Items) > 0 {
		t.Errorf("left: %v, %v, %v (%v)", containers.Items, networks.Items, volumes.Items, err)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Errorf("%s is left", folder)
	}
}
