package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/rollout"
)

// TestRotations rotates everything of one lab on each engine, and uses the lab after each rotation.
func TestRotations(t *testing.T) {
	t.Parallel()
	for _, k := range []engines.Kind{engines.Docker, engines.Process} {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			rotations(t, user{engine: k})
		})
	}
}

func rotations(t *testing.T, u user) {
	name := unused(t)
	e := realEngine(t, u.engine, name)
	defer func() { u.must(t, "down", name) }()
	u.mustApart(t, "up", "--name", name, "--clients", "1")
	r := rotating{user: u, name: name, engine: e}
	t.Run("dry run", r.dryRun)
	t.Run("certs", r.certs)
	t.Run("ca", r.ca)
	t.Run("gossip", r.gossip)
	t.Run("interrupted", r.interrupted)
	t.Run("two at once", r.twoAtOnce)
	t.Run("refused", r.refused)
	t.Run("start", func(t *testing.T) {
		r.tryStart(t)
		r.usable(t)
	})
}

// rotating is a user of a lab that rotates.
type rotating struct {
	user
	name   string
	engine engine.Engine
}

func (r rotating) tryStart(t *testing.T) {
	for _, node := range []string{"server-1", "client-1"} {
		if err := r.engine.Kill(t.Context(), engine.Ref{Lab: r.name, Node: node}); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.call(t, "", "rotate", "gossip", r.name); got.code != exitUsage || !strings.Contains(got.errs, "is not ready") {
		t.Errorf("a lab with stopped nodes: %+v", got)
	}
	if got := r.call(t, "", "rotate", "certs", r.name); got.code != exitUsage || !strings.Contains(got.errs, "does not run") {
		t.Errorf("a lab with stopped nodes: %+v", got)
	}
	contains(t, r.must(t, "start", r.name), "is ready in", "leader")
	contains(t, r.must(t, "check", r.name, "--only", "gossip,raft"), "pass")
}

func (r rotating) open(t *testing.T) *lab.Lab {
	t.Helper()
	l, err := lab.Open(t.Context(), r.engine, r.name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serials returns the serial numbers of the certificates that the lab and its agents present now, in order of the nodes.
func (r rotating) serials(t *testing.T) []string {
	t.Helper()
	l := r.open(t)
	own, err := l.Credential().Chain()
	if err != nil {
		t.Fatal(err)
	}
	out := []string{own[0].SerialNumber.String()}
	for _, n := range rollout.Members(l) {
		c, err := n.Certificate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c.SerialNumber.String())
	}
	return out
}

// usable calls the lab in each way in which a user calls it.
func (r rotating) usable(t *testing.T) {
	t.Helper()
	contains(t, r.must(t, "status", r.name), "is ready")
	var vars map[string]string
	if err := json.Unmarshal([]byte(r.must(t, "env", r.name, "--json")), &vars); err != nil {
		t.Fatal(err)
	}
	own, err := pki.LoadCredential(r.open(t).TLSFolder(), r.open(t).Credential().Identity)
	if err != nil {
		t.Fatal(err)
	}
	c, err := own.ClientTLS("server.global.nomad")
	if err == nil {
		err = ask(t, vars["NOMAD_ADDR"], c)
	}
	if err != nil {
		t.Errorf("with the files of env: %v", err)
	}
	contains(t, r.must(t, "nomad", r.name, "--", "node", "status"), "client-1", "ready")
	contains(t, r.must(t, "exec", r.name, "server-1", "--", "echo", "here"), "here")
}

func (r rotating) dryRun(t *testing.T) {
	before := r.serials(t)
	contains(t, r.must(t, "rotate", "certs", r.name, "--dry-run"), "renew the certificates, in 5 steps", "the lab's own calls present a new certificate",
		"server-1: renew the certificate", "then   reload: ", "await  client-1 is a ready client", "nothing was changed")
	contains(t, r.must(t, "rotate", "certs", r.name, "--dry-run", "--new-paths", "--node", "client-1"), "in 1 steps", ".serial-", "agent.hcl (agent configuration)")
	contains(t, r.must(t, "rotate", "gossip", r.name, "--dry-run"), "install the new gossip key on all servers", "remove every other gossip key")
	var planned struct {
		Lab     string
		Done    bool
		Rollout struct{ Steps []struct{ Title string } }
	}
	text := r.must(t, "rotate", "ca", r.name, "--dry-run", "--json")
	if err := json.Unmarshal([]byte(text), &planned); err != nil || planned.Done || planned.Lab != r.name || len(planned.Rollout.Steps) != 15 {
		t.Errorf("as JSON: %v: %+v", err, planned)
	}
	if strings.Contains(text, "BEGIN") {
		t.Errorf("the plan shows what is in its files:\n%s", text)
	}
	if after := r.serials(t); !slices.Equal(before, after) {
		t.Errorf("a dry run has changed certificates: %v, then %v", before, after)
	}
}

func (r rotating) certs(t *testing.T) {
	was := r.serials(t)
	for _, args := range [][]string{{"rotate", "certs", r.name}, {"rotate", "certs", r.name, "--new-paths"}} {
		contains(t, r.must(t, args...), "lab "+r.name+": 4 nodes have new certificates, 5 steps in ")
		now := r.serials(t)
		for i := range was {
			if was[i] == now[i] {
				t.Errorf("%v: certificate %d of %d is the old one", args, i+1, len(was))
			}
		}
		was = now
	}
	contains(t, r.must(t, "rotate", "certs", r.name, "--node", "client-1"), "client-1 has a new certificate")
	now := r.serials(t)
	if !slices.Equal(was[:4], now[:4]) || was[4] == now[4] {
		t.Errorf("--node client-1: %v, then %v", was, now)
	}
	r.usable(t)
}

func (r rotating) ca(t *testing.T) {
	for range 2 {
		old := r.open(t).Credential()
		contains(t, r.must(t, "rotate", "ca", r.name), "4 nodes trust the new authority", "15 steps in ")
		r.usable(t)
		l := r.open(t)
		for _, n := range rollout.Members(l) {
			if err := rollout.Refuses(n.Name(), old).Met(t.Context(), l); err != nil {
				t.Error(err)
			}
		}
	}
}

func (r rotating) gossip(t *testing.T) {
	for range 2 {
		old := r.open(t).GossipKey()
		said := r.must(t, "rotate", "gossip", r.name)
		contains(t, said, "3 servers gossip with a new key, 6 steps in ")
		l := r.open(t)
		if l.GossipKey() == old || strings.Contains(said, l.GossipKey()) {
			t.Error("the gossip key is the old one, or is printed")
		}
		if err := errors.Join(rollout.HasGossipKey(old, false).Met(t.Context(), l), rollout.HasGossipKey(l.GossipKey(), true).Met(t.Context(), l)); err != nil {
			t.Error(err)
		}
	}
	r.usable(t)
}

// interrupted interrupts in the middle: the lab is as it was before.
func (r rotating) interrupted(t *testing.T) {
	for what, at := range map[string]string{"certs": "3/5  ", "ca": "9/15  ", "gossip": "3/6  "} {
		before, key := r.serials(t), r.open(t).GossipKey()
		ctx, cancel := context.WithCancel(t.Context())
		errs := &cancelling{at: at, cancel: cancel}
		var out strings.Builder
		code := newApp().execute(ctx, r.on([]string{"rotate", what, r.name}), nil, &out, errs)
		cancel()
		if code != exitFailed || out.Len() > 0 {
			t.Errorf("%s: exit code %d, %q", what, code, out.String())
		}
		contains(t, errs.String(), "taking back", "interrupted: lab "+r.name+" is as it was before", "were taken back")
		if after := r.serials(t); !slices.Equal(before, after) {
			t.Errorf("%s: certificates were %v, and are %v", what, before, after)
		}
		if l := r.open(t); l.GossipKey() != key || rollout.HasGossipKey(key, true).Met(t.Context(), l) != nil {
			t.Errorf("%s: the gossip key is not the old one", what)
		}
	}
	r.usable(t)
}

// twoAtOnce: while one change is under way, another is refused, and a dry run is not.
func (r rotating) twoAtOnce(t *testing.T) {
	before := r.serials(t)
	end, err := r.open(t).BeginChange()
	if err != nil {
		t.Fatal(err)
	}
	if got := r.call(t, "", "rotate", "certs", r.name); got.code != exitUsage || !strings.Contains(got.errs, "another change of the lab is under way") {
		t.Errorf("beside another change: exit code %d, %q", got.code, got.errs)
	}
	contains(t, r.must(t, "rotate", "certs", r.name, "--dry-run"), "nothing was changed")
	if after := r.serials(t); !slices.Equal(before, after) {
		t.Errorf("the refused rotation has changed certificates: %v, then %v", before, after)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	contains(t, r.must(t, "rotate", "certs", r.name, "--node", "client-1"), "client-1 has a new certificate") // the control
}

func (r rotating) refused(t *testing.T) {
	for args, says := range map[string]string{
		"rotate":                              "say what to rotate: certs, ca or gossip",
		"rotate keys":                         `"keys" cannot be rotated: use certs, ca or gossip`,
		"rotate certs " + r.name + " other":   "name one lab",
		"rotate certs nosuch-lab":             "no such lab",
		"rotate ca " + r.name + " --node a":   "unknown flag: --node",
		"rotate certs --node x-9 " + r.name:   "server-1",
		"rotate gossip --timeout 0 " + r.name: "use a positive duration",
	} {
		if got := r.call(t, "", strings.Fields(args)...); got.code != exitUsage || !strings.Contains(got.errs, says) {
			t.Errorf("%s: exit code %d, %s, want %q", args, got.code, got.errs, says)
		}
	}
}

// TestRotationsOfOtherLabs: a lab whose certificates come from elsewhere, or are wrong on purpose, is told so.
func TestRotationsOfOtherLabs(t *testing.T) {
	t.Parallel()
	u := user{engine: engines.Process}
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		from, name := unused(t), unused(t)
		realEngine(t, u.engine, from, name)
		u.must(t, "up", "--name", from, "--servers", "1", "--clients", "0")
		defer func() { u.must(t, "down", from) }()
		folder := folderOf(t, u, from)
		u.must(t, "up", "--name", name, "--servers", "1", "--clients", "0", "--authority", folder)
		defer func() { u.must(t, "down", name) }()
		for _, what := range []string{"certs", "ca"} {
			if got := u.call(t, "", "rotate", what, name); got.code != exitUsage || !strings.Contains(got.errs, "the certificates of your folder "+folder) {
				t.Errorf("%s: %+v", what, got)
			}
		}
		contains(t, u.must(t, "rotate", "gossip", name), "1 server gossip")
	})
	t.Run("defect", func(t *testing.T) {
		t.Parallel()
		name := unused(t)
		realEngine(t, u.engine, name)
		u.must(t, "up", "--name", name, "--servers", "1", "--clients", "0", "--mutation", "server-certificate-no-eku")
		defer func() { u.must(t, "down", name) }()
		if got := u.call(t, "", "rotate", "certs", name); got.code != exitUsage || !strings.Contains(got.errs, "on purpose") {
			t.Errorf("%+v", got)
		}
	})
}

// folderOf returns a folder with the certificates of the lab's server and its own.
func folderOf(t *testing.T, u user, name string) string {
	t.Helper()
	folder := t.TempDir()
	for _, role := range []string{"server", "cli"} {
		u.must(t, "cert", "issue", "--lab", name, "--role", role, "--out", folder)
	}
	return folder
}
