package main

import (
	"context"
	"strings"
	"testing"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/labtest"
)

// TestUpgradeOfALab brings a newer Nomad to a hardened lab on each engine: one server, then on until it is interrupted, then all.
func TestUpgradeOfALab(t *testing.T) {
	t.Parallel()
	for _, k := range []engines.Kind{engines.Docker, engines.Process} {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			upgradeOfALab(t, user{engine: k})
		})
	}
}

func upgradeOfALab(t *testing.T, u user) {
	const older, newer = "1.10.5", "1.11.3"
	name := unused(t)
	e := realEngine(t, u.engine, name)
	labtest.NeedsNomadFor(t, e, older)
	u.mustApart(t, "up", "--name", name, "--clients", "1", "--hardened", "--nomad-version", older)
	defer func() { u.must(t, "down", name) }()

	contains(t, u.must(t, "upgrade", newer, name, "--dry-run"), "upgrade to Nomad "+newer+", in 5 steps", "await  client-1 runs Nomad "+newer, "nothing was changed")
	for args, says := range map[string]string{
		"upgrade":                       "say to which version",
		"upgrade 9.9.9 " + name:         "unknown Nomad version",
		"upgrade 1.9.7 " + name:         "the version is older than the one that runs",
		"upgrade " + older + " " + name: "the nodes run that version",
		"upgrade " + newer + " " + name + " --node client-1": "a client would be newer than a server",
		"upgrade " + newer + " --node a --new-settings":      "exclude each other",
	} {
		if r := u.call(t, "", strings.Fields(args)...); r.code != exitUsage || !strings.Contains(r.errs, says) {
			t.Errorf("%s: exit code %d, %s, want %q", args, r.code, r.errs, says)
		}
	}
	contains(t, u.must(t, "upgrade", newer, name, "--node", "server-1"), "server-1 now with Nomad "+newer)
	contains(t, u.must(t, "status", name), older+" and "+newer)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := &cancelling{at: "1/4  ", cancel: cancel}
	var out strings.Builder
	if code := newApp().execute(ctx, u.on([]string{"upgrade", newer, name}), nil, &out, errs); code != exitFailed || out.Len() > 0 {
		t.Errorf("interrupted: exit code %d, %q", code, out.String())
	}
	contains(t, errs.String(), "interrupted: lab "+name+" stands in the middle of its upgrade", "client-1 "+older, "goes on")
	contains(t, u.must(t, "status", name), "is ready", older+" and "+newer)

	contains(t, u.must(t, "upgrade", "v"+newer, name, "--new-settings"), "runs Nomad "+newer)
	status := u.must(t, "status", name)
	contains(t, status, "is ready: Nomad "+newer)
	if strings.Contains(status, older) {
		t.Errorf("the old version is left:\n%s", status)
	}
	contains(t, u.must(t, "check", name, "--only", "server-demands-introductions"), "1 check passes")
	contains(t, u.must(t, "nomad", name, "--", "version"), "v"+newer)
	contains(t, u.must(t, "rotate", "certs", name), "4 nodes have new certificates")
}
