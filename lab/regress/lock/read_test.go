package lock_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/regress/lock"
	"nomadlab.internal/lab/spec"
)

// TestReadLockTellsWhatIsWrong breaks the sample's lock in each way that one can be broken.
func TestReadLockTellsWhatIsWrong(t *testing.T) {
	sound := string(lock.Of(sample(oneRun())).Lock())
	replaced := func(old, by string) string {
		if strings.Count(sound, old) != 1 {
			t.Fatalf("%q is %d times in the lock", old, strings.Count(sound, old))
		}
		return strings.Replace(sound, old, by, 1)
	}
	unsigned, _, _ := strings.Cut(sound, "checksum:")
	const restore = "restore it from version control, or write it anew with --update"
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"not YAML":              {replaced("checks:\n", "checks: [\n"), []string{"line 33: it is not YAML", restore}},
		"a conflict of a merge": {replaced("checks:\n", "<<<<<<< HEAD\nchecks:\n"), []string{"line 16: it is not YAML"}},
		"a tab":                 {replaced("settings:\n  client", "settings:\n\tclient"), []string{"line 8: it is not YAML"}},
		"another file":          {"just words", []string{"line 1: string was used where mapping is expected", restore}},
		"an empty file":         {"", []string{"it is empty", restore}},
		"a file of comments":    {"# nothing\n", []string{"it is empty", restore}},
		"two documents":         {sound + "---\nversion: 2\n", []string{"it has 2 YAML documents instead of one", restore}},
		"no version":            {replaced("version: 2\n", ""), []string{"it has no version, so it is no posture lock"}},
		"no number as version":  {replaced("version: 2\n", "version: one\n"), []string{"line 5: a string is there, and int is wanted", restore}},
		"a version of nobody":   {replaced("version: 2\n", "version: 0\n"), []string{"it has no version, so it is no posture lock"}},
		"a newer version": {
			replaced("version: 2\n", "version: 3\nnovelty: [1]\n"),
			[]string{"a newer nomadlab wrote it: version 3 of the format, this one reads 2", "use that nomadlab, or write the lock anew with --update"},
		},
		"a key that locks do not have": {replaced("nomad: 1.11.3", "nomads: 1.11.3"), []string{`line 6: unknown field "nomads"`, restore}},
		"a field that checks do not have": {
			replaced("{result: pass, outcome: refused after the handshake}", "{result: pass, verdict: refused}"),
			[]string{`line 21: unknown field "verdict"`, restore},
		},
		"an unknown result": {
			replaced("{result: pass, outcome: refused after the handshake}", "{result: passed, outcome: refused after the handshake}"),
			[]string{`line 21: the result of raft-refuses-client-certificate is "passed", which is none of [fail inconclusive pass skipped]`, restore},
		},
		"no result": {
			replaced("{result: pass, outcome: refused after the handshake}", "{outcome: refused after the handshake}"),
			[]string{`line 21: the result of raft-refuses-client-certificate is ""`, restore},
		},
		"nothing for a check": {
			replaced("{result: pass, outcome: refused after the handshake}", ""),
			[]string{`the check "raft-refuses-client-certificate" has no value`, restore},
		},
		"a check twice": {
			replaced("  gossip:\n", "    raft-refuses-client-certificate: {result: pass}\n  gossip:\n"),
			[]string{`line 22: it is not YAML: mapping key "raft-refuses-client-certificate" already defined at [21:`, restore},
		},
		"a check in two planes": {
			replaced("  network:\n", "  network:\n    raft-refuses-client-certificate: {result: pass}\n"),
			[]string{`line 25: the check "raft-refuses-client-certificate" is there twice, first at line 21`},
		},
		"a plane twice":           {replaced("  network:\n", "  Raft:\n    x: {result: pass}\n  network:\n"), []string{`line 24: it is not YAML: mapping key "Raft" already defined at [20:`}},
		"a setting twice":         {replaced("    acl.enabled: true\n", "    acl.enabled: true\n    acl.enabled: false\n"), []string{`line 10: it is not YAML: mapping key "acl.enabled" already defined at [9:`}},
		"a part twice":            {sound + "version: 2\n", []string{`line 34: it is not YAML: mapping key "version" already defined at [5:`}},
		"a list for a check":      {replaced("{result: pass, outcome: refused after the handshake}", "[pass]"), []string{"line 21: sequence was used where mapping is expected", restore}},
		"a mapping for a text":    {replaced("nomad: 1.11.3", "nomad: {a: b}"), []string{`line 6: a map is there, and string is wanted`, restore}},
		"nothing for a value":     {replaced("acl.enabled: true", "acl.enabled:"), []string{"edited by hand", restore}},
		"an alias":                {replaced("nomad: 1.11.3", "nomad: *x"), []string{"line 6: *: anchors and aliases are not read"}},
		"a result by hand":        {replaced("{result: pass, outcome: refused after the handshake}", "{result: fail, outcome: refused after the handshake}"), []string{"edited by hand", restore}},
		"an outcome by hand":      {replaced("{result: pass, outcome: refused after the handshake}", "{result: pass, outcome: denied}"), []string{"edited by hand", restore}},
		"a setting by hand":       {replaced("acl.enabled: true", "acl.enabled: false"), []string{"edited by hand", restore}},
		"a check less":            {replaced("    matrix/none/gossip: {result: inconclusive, outcome: not reached, reason: not tried}\n", ""), []string{"edited by hand"}},
		"the checksum by hand":    {replaced("checksum: sha256:", "checksum: sha256:0"), []string{"edited by hand", restore}},
		"no checksum":             {unsigned, []string{"edited by hand", `its checksum is ""`}},
		"a Nomad version by hand": {replaced("nomad: 1.11.3", "nomad: 1.11.4"), []string{"edited by hand"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := lock.ReadLock("ci/posture.lock.yaml", []byte(c.text))
			if err == nil {
				t.Fatalf("it is read: %+v", p)
			}
			if !errors.Is(err, lock.ErrLock) || !errors.Is(err, spec.ErrInvalid) {
				t.Errorf("%v wraps not both ErrLock and spec.ErrInvalid", err)
			}
			if !strings.HasPrefix(err.Error(), "posture lock ci/posture.lock.yaml: ") {
				t.Errorf("%q does not say which file it is about", err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if len(p.Results)+len(p.Settings) > 0 {
				t.Errorf("beside the error there is %+v", p)
			}
		})
	}
	if _, err := lock.ReadLock("x", []byte(sound)); err != nil {
		t.Errorf("the sound one: %v", err)
	}
}

// TestReadLockOfDamage: whatever becomes of a lock, it is read as it was written or refused.
func TestReadLockOfDamage(t *testing.T) {
	sound := lock.Of(sample(oneRun())).Lock()
	want, err := lock.ReadLock("x", sound)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(5, 6))
	refused := 0
	for range 1000 {
		text := damage(random, sound)
		got, err := lock.ReadLock("x", text)
		switch {
		case err != nil && errors.Is(err, lock.ErrLock):
			refused++
		case err != nil:
			t.Fatalf("%v does not wrap ErrLock", err)
		case cmp.Diff(want, got, exceptUnlocked()) != "":
			t.Fatalf("this is read as another posture:\n%s", text)
		}
	}
	if refused == 0 {
		t.Error("no damage was refused")
	}
}

// damage changes some places of a text.
func damage(random *rand.Rand, text []byte) []byte {
	text = bytes.Clone(text)
	for range 1 + random.IntN(3) {
		from := random.IntN(len(text))
		to := min(len(text), from+random.IntN(60))
		switch random.IntN(3) {
		case 0:
			text = slices.Delete(text, from, to)
		case 1:
			text = slices.Insert(text, random.IntN(len(text)), bytes.Clone(text[from:to])...)
		default:
			const marks = ":{}[]#&*!|>'\"\n\t ?-%<"
			text = slices.Insert(text, from, marks[random.IntN(len(marks))])
		}
	}
	return text
}
