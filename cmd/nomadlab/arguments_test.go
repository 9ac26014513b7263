package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
)

func TestLabThatIsMeant(t *testing.T) {
	tests := []struct {
		name  string
		labs  []string
		args  string
		says  string
		named string
	}{
		{"named", []string{"a", "b"}, "status b", "lab's folder", "nomadlab down b`"},
		{"the only one", []string{"a"}, "status", "lab's folder", "nomadlab down a`"},
		{"the usual one", []string{"a", "lab"}, "status", "lab's folder", "nomadlab down lab`"},
		{"which of them", []string{"b", "a"}, "status", "there are 2 labs: name one of a, b", ""},
		{"none", nil, "status", "there is no lab: `nomadlab up` makes one", ""},
		{"for nomad, in front of --", []string{"a", "b"}, "nomad b -- version", "lab's folder", "nomadlab down b`"},
		{"for nomad, by flag", []string{"a", "b"}, "nomad --lab b -- version", "lab's folder", "nomadlab down b`"},
		{"for exec", []string{"a", "b"}, "exec b server-1 -- ls", "lab's folder", "nomadlab down b`"},
		{"for logs", []string{"a", "b"}, "logs b server-1", "lab's folder", "nomadlab down b`"},
		{"for logs, only nodes", []string{"a"}, "logs server-1", "lab's folder", "nomadlab down a`"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, _ := faked(t, test.labs...) // the error says that the folder of the lab that is meant does not exist
			r := call(t, a, "", strings.Fields(test.args)...)
			if r.code != exitUsage {
				t.Errorf("exit code %d", r.code)
			}
			contains(t, r.errs, test.says, test.named)
		})
	}
}

// TestUnnamedIsNoLabThatExpires: without a name, a lab that expires is never meant. The control is a lab beside it that stays.
func TestUnnamedIsNoLabThatExpires(t *testing.T) {
	for _, args := range []string{"status", "env", "start", "logs", "check", "nomad -- version"} {
		a, labs := faked(t, "check-1a2b3c")
		labs.expire("check-1a2b3c")
		if r := call(t, a, "", strings.Fields(args)...); r.code != exitUsage || !strings.Contains(r.errs, "there is no lab that stays: check-1a2b3c belongs to") {
			t.Errorf("%s: %+v", args, r)
		}
		a, labs = faked(t, "check-1a2b3c", "mine")
		labs.expire("check-1a2b3c")
		contains(t, call(t, a, "", strings.Fields(args)...).errs, "nomadlab down mine`")
		contains(t, call(t, a, "", append(strings.Fields(args)[:1], append([]string{"check-1a2b3c"}, strings.Fields(args)[1:]...)...)...).errs, "nomadlab down check-1a2b3c`")
	}
}

func TestDown(t *testing.T) {
	tests := []struct {
		name string
		labs []string
		args string
		left []string
		code int
		says string
	}{
		{"named", []string{"a", "b"}, "down b", []string{"a"}, exitFine, "lab b: removed, 1 node"},
		{"several", []string{"a", "b", "c"}, "down b a", []string{"c"}, exitFine, "lab a: removed"},
		{"gone", []string{"a"}, "down b", []string{"a"}, exitFine, "lab b: there is none"},
		{"all", []string{"a", "b"}, "down --all", nil, exitFine, "lab b: removed"},
		{"none at all", nil, "down", nil, exitFine, "there is no lab"},
		{"which of them", []string{"a", "b"}, "down", []string{"a", "b"}, exitUsage, "name one of a, b"},
		{"the only one, another user's", []string{"a"}, "down", []string{"a"}, exitUsage, "may be another user's"},
		{"not a name", []string{"a"}, "down a ../a", []string{"a"}, exitUsage, "../a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, labs := faked(t, test.labs...)
			r := call(t, a, "", strings.Fields(test.args)...)
			if r.code != test.code {
				t.Errorf("exit code %d, want %d", r.code, test.code)
			}
			contains(t, r.out+r.errs, test.says)
			if diff := cmp.Diff(test.left, labs.names()); diff != "" {
				t.Errorf("labs that are left, -want +got:\n%s", diff)
			}
		})
	}
}

// TestDownGoesOnAfterAFailure names each lab that cannot be removed, and removes the others.
func TestDownGoesOnAfterAFailure(t *testing.T) {
	for _, args := range []string{"down --all", "down a stuck-b stuck-c d"} {
		a, labs := faked(t, "a", "stuck-b", "stuck-c", "d")
		r := call(t, a, "", strings.Fields(args)...)
		contains(t, r.errs, "lab stuck-b is not completely removed, try again: it does not go", "lab stuck-c is not completely removed")
		if diff := cmp.Diff([]string{"stuck-b", "stuck-c"}, labs.names()); diff != "" || r.code != exitFailed {
			t.Errorf("%s: exit code %d, labs that are left, -want +got:\n%s", args, r.code, diff)
		}
	}
}

// TestLabsThatAreNotSeen says so if an engine could not be asked. The controls are the same calls with all engines asked.
func TestLabsThatAreNotSeen(t *testing.T) {
	denied, absent := fmt.Errorf("%w: add yourself", engine.ErrDenied), fmt.Errorf("%w: start it", engine.ErrUnavailable)
	for _, c := range []struct {
		args string
		labs []string
		why  error
		code int
		says string
	}{
		{"list", nil, nil, exitFine, ""},
		{"list", nil, denied, exitFine, "this user may not use it: add yourself"},
		{"list", nil, absent, exitFine, "start it"},
		{"list", []string{"a"}, nil, exitFine, ""},
		{"list", []string{"a"}, denied, exitFine, "add yourself"},
		{"list", []string{"a"}, absent, exitFine, ""},
		{"down --all", nil, nil, exitFine, ""},
		{"down --all", nil, absent, exitFine, "start it"},
		{"down", nil, absent, exitFine, "start it"},
		{"down", nil, nil, exitFine, ""},
		{"down --all", nil, denied, exitUsage, "add yourself"},
		{"down b", []string{"a"}, nil, exitFine, ""},
		{"down b", []string{"a"}, denied, exitUsage, "add yourself"},
		{"down a", []string{"a"}, denied, exitFine, ""},
		{"status", nil, denied, exitUsage, "add yourself"},
		{"status b", []string{"a"}, absent, exitUsage, "start it"},
	} {
		a, labs := faked(t, c.labs...)
		a.connect = func(context.Context, engines.Kind) (*engines.Set, error) {
			return engines.New(&fakeEngine{labs: labs}).WithUnseen(c.why), nil
		}
		r := call(t, a, "", strings.Fields(c.args)...)
		if r.code != c.code || (c.says == "") == strings.Contains(r.errs, "unavailable") || !strings.Contains(r.errs, c.says) {
			t.Errorf("%s, labs %v, %v: exit code %d, want %d, %q in:\n%s", c.args, c.labs, c.why, r.code, c.code, c.says, r.errs)
		}
	}
}

// TestDownSparesTheLabsOfTests removes a lab that expires only if it is named. The controls are the same labs without the
// expiry, which are removed or spared for another reason.
func TestDownSparesTheLabsOfTests(t *testing.T) {
	for _, test := range []struct {
		args          string
		code, control int
		left          []string
		says, without string
	}{
		{"down", exitUsage, exitUsage, []string{"a"}, "belongs to a test, a scenario or a check", "may be another user's"},
		{"down --all", exitFine, exitFine, []string{"a"}, "nothing to remove", "lab a: removed"},
		{"down a", exitFine, exitFine, nil, "lab a: removed", "lab a: removed"},
	} {
		t.Run(test.args, func(t *testing.T) {
			a, labs := faked(t, "a")
			labs.expire("a")
			r := call(t, a, "", strings.Fields(test.args)...)
			contains(t, r.out+r.errs, test.says)
			if diff := cmp.Diff(test.left, labs.names()); diff != "" || r.code != test.code {
				t.Errorf("exit code %d, labs that are left, -want +got:\n%s", r.code, diff)
			}
			a, _ = faked(t, "a")
			if r := call(t, a, "", strings.Fields(test.args)...); r.code != test.control {
				t.Errorf("control: exit code %d", r.code)
			} else {
				contains(t, r.out+r.errs, test.without)
			}
		})
	}
}

// TestDownSparesTheLabsOfCompose removes a lab of Docker Compose only if it is named.
func TestDownSparesTheLabsOfCompose(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		left []string
		says string
	}{
		{"down", exitUsage, []string{"a"}, "belongs to Docker Compose, and perhaps to another user"},
		{"down --all", exitFine, []string{"a"}, "lab a belongs to Docker Compose and stays"},
		{"down a", exitFine, nil, "lab a: removed"},
	} {
		t.Run(test.args, func(t *testing.T) {
			a, labs := faked(t, "a")
			labs.compose("a")
			r := call(t, a, "", strings.Fields(test.args)...)
			contains(t, r.out+r.errs, test.says)
			if diff := cmp.Diff(test.left, labs.names()); diff != "" || r.code != test.code {
				t.Errorf("exit code %d, labs that are left, -want +got:\n%s", r.code, diff)
			}
		})
	}
}

func TestListWithoutFolders(t *testing.T) {
	a, labs := faked(t, "a", "b")
	labs["b"].Nodes[0].Running = false
	r := call(t, a, "", "list")
	contains(t, r.out, "LAB", "a    1/1    -      fake    -        running, its folder is lost", "b    0/1    -      fake    -        stopped, its folder is lost")
	none, _ := faked(t)
	if r := call(t, none, "", "list", "--json"); r.out != "[]\n" || r.code != exitFine {
		t.Errorf("%+v", r)
	}
}

// TestListMissesNodes counts nodes that are gone, paused or off the lab's network as missing, and no extra nodes. The control
// is the complete lab.
func TestListMissesNodes(t *testing.T) {
	node := func(name string) engine.State {
		return engine.State{Ref: engine.Ref{Lab: "a", Node: name}, Running: true}
	}
	extra := node("extra")
	extra.Running, extra.Labels = false, map[string]string{"extra-node": "true"}
	for want, change := range map[string]func([]engine.State) []engine.State{
		"4/4    -      fake    -        running":           func(s []engine.State) []engine.State { return s },
		"3/4    -      fake    -        partly running,":   func(s []engine.State) []engine.State { return s[1:] },
		"3/4    -      fake    -        partly running, i": func(s []engine.State) []engine.State { s[0].Paused = true; return s },
		"3/4    -      fake    -        partly running, it": func(s []engine.State) []engine.State {
			s[0].CutOff = "off"
			return s
		},
	} {
		a, labs := faked(t, "a")
		nodes := append(change([]engine.State{node("1"), node("2"), node("3"), node("4")}), extra)
		labs["a"] = engine.LabState{Labels: map[string]string{"members": "4"}, Nodes: nodes}
		contains(t, call(t, a, "", "list").out, want)
	}
}

func TestCompletion(t *testing.T) {
	tests := []struct{ args, want string }{
		{"status", "a b"}, {"status a", ""}, {"down a", "b"}, {"logs", "a b"}, {"logs a", "server-1"}, {"exec a", "server-1"},
		{"exec a server-1", ""}, {"nomad --lab", "a b"}, {"up --wait", "ready leader none"},
	}
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			a, _ := faked(t, "a", "b")
			r := call(t, a, "", append(append([]string{"__complete"}, strings.Fields(test.args)...), "")...)
			words := strings.Fields(r.out)
			if len(words) == 0 || strings.Join(words[:len(words)-1], " ") != test.want {
				t.Errorf("offers %q, want %q", words, test.want)
			}
		})
	}
}
