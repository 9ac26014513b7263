package lock_test

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gotest.tools/v3/golden"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress/lock"
)

// exceptUnlocked leaves out what is not in a lock.
func exceptUnlocked() cmp.Options {
	return cmp.Options{
		cmpopts.IgnoreFields(lock.CheckResult{}, "Title", "Severity", "Settings"),
		cmpopts.IgnoreFields(finding.Setting{}, "File", "Line"),
		cmpopts.EquateEmpty(),
	}
}

func TestLock(t *testing.T) {
	golden.AssertBytes(t, lock.Of(sample(oneRun())).Lock(), "posture.lock.yaml")
}

// TestLockIsTheSameInEveryRun: nothing that another run on the same configuration has otherwise is in the lock.
func TestLockIsTheSameInEveryRun(t *testing.T) {
	want := lock.Of(sample(oneRun())).Lock()
	other := sample(run{
		started: time.Date(2031, 2, 3, 23, 59, 58, 7, time.UTC), octet: 105, port: 29831, id: "01234567-89ab-cdef-0123-456789abcdef",
		took: 61500 * time.Millisecond,
	})
	other.Cluster.Engine = "docker"
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		shuffle(random, other.Findings)
		shuffle(random, other.Cluster.Nodes)
		shuffle(random, other.Matrix.Rows)
		for i := range other.Matrix.Rows {
			shuffle(random, other.Matrix.Rows[i].Cells)
		}
		shuffle(random, other.Configuration.Settings)
		if got := lock.Of(other).Lock(); !bytes.Equal(got, want) {
			t.Fatalf("another run's lock (-want +got):\n%s", cmp.Diff(string(want), string(got)))
		}
	}
}

// TestLockSeesADifference is the control of the one above: each of these does change it.
func TestLockSeesADifference(t *testing.T) {
	same := lock.Of(sample(oneRun())).Lock()
	for name, change := range map[string]func(*finding.Report){
		"a result":          func(r *finding.Report) { r.Findings[0].Result = finding.Fail },
		"an outcome":        func(r *finding.Report) { r.Findings[0].Outcome = "denied" },
		"a wanted outcome":  func(r *finding.Report) { r.Findings[5].Want = []string{"accepted"} },
		"how many servers":  func(r *finding.Report) { r.Findings[3].Result = finding.Fail },
		"a reason":          func(r *finding.Report) { r.Findings[len(r.Findings)-1].Reason = "a management token is not at hand" },
		"a setting's value": func(r *finding.Report) { r.Configuration.Settings[0].Value = "false" },
		"a setting's role":  func(r *finding.Report) { r.Configuration.Settings[0].Role = "client" },
		"a setting less":    func(r *finding.Report) { r.Configuration.Settings = r.Configuration.Settings[1:] },
		"Nomad's version":   func(r *finding.Report) { r.Cluster.Nomad = "1.11.4" },
		"a cell":            func(r *finding.Report) { r.Matrix.Rows[0].Cells[1].Result = finding.Fail },
		"a check less":      func(r *finding.Report) { r.Findings = r.Findings[3:] },
	} {
		t.Run(name, func(t *testing.T) {
			r := sample(oneRun())
			change(&r)
			if bytes.Equal(lock.Of(r).Lock(), same) {
				t.Error("the lock is the same")
			}
		})
	}
}

func shuffle[T any](random *rand.Rand, list []T) {
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// TestLockIsReadAsItWasWritten makes up postures of texts that YAML, HCL or a terminal takes for something else.
func TestLockIsReadAsItWasWritten(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 1000 {
		p := madeUp(random)
		got, err := lock.ReadLock("x", p.Lock())
		if err != nil {
			t.Fatalf("posture %d: %v\n%s", i, err, p.Lock())
		}
		if diff := cmp.Diff(p, got, exceptUnlocked()); diff != "" {
			t.Fatalf("posture %d (-written +read):\n%s\n%s", i, diff, p.Lock())
		}
	}
	for name, p := range map[string]lock.Posture{"the sample": lock.Of(sample(oneRun())), "none": {}} {
		got, err := lock.ReadLock("x", p.Lock())
		if diff := cmp.Diff(p, got, exceptUnlocked()); diff != "" || err != nil {
			t.Errorf("%s: %v (-written +read):\n%s", name, err, diff)
		}
	}
}

// TestLockHasNoSecret: a lock has no secret even if the settings have one. A lock stays in a version history for good.
func TestLockHasNoSecret(t *testing.T) {
	const secret = "cg8StVXbQJ0gPvMd9o7yrg"
	c := finding.Configuration{Settings: []finding.Setting{
		{Role: "server", Path: "server.encrypt", Value: `"` + secret + `=="`},
		{Role: "server", Path: "consul.token", Value: `"` + secret + `"`},
		{Role: "server", Path: "vault.address", Value: `"https://user:` + secret + `@vault:8200"`},
		{Role: "server", Path: "server.server_join.retry_join", Value: `["provider=aws secret_access_key=` + secret + `"]`},
		{Role: "server", Path: "consul.replication_token", Value: "<<EOT\n" + secret + "\nEOT"},
		{Role: "server", Path: "keyring.awskms.secret_key", Value: "\"" + secret + "\nchecks: {}\""},
		{Role: "server", Path: "client.meta.pem", Value: "\"-----BEGIN EC PRIVATE KEY-----\\n" + secret + "\\n-----END EC PRIVATE KEY-----\""},
	}}
	text := string(lock.Of(finding.Report{Configuration: &c}).Lock())
	if strings.Contains(text, secret) {
		t.Errorf("the secret is in the lock:\n%s", text)
	}
	for _, s := range c.Settings {
		if !strings.Contains(text, "\n    "+s.Path+": ") {
			t.Errorf("%s is not in the lock:\n%s", s.Path, text)
		}
	}
	if n := strings.Count(text, "<redacted>"); n != len(c.Settings) {
		t.Errorf("%d values are redacted, want %d:\n%s", n, len(c.Settings), text)
	}
}

// TestLockOfHostileValues: no value gets out of its line.
func TestLockOfHostileValues(t *testing.T) {
	value := "\"a\"\nchecks:\n  HTTP:\n    x: {result: pass}\nchecksum: sha256:00\n# \x1b[2J\u202e"
	r := finding.Report{Configuration: &finding.Configuration{Settings: []finding.Setting{{Role: "server", Path: "datacenter", Value: value}}}}
	text := lock.Of(r).Lock()
	if n := regexp.MustCompile(`(?m)^check`).FindAllIndex(text, -1); len(n) != 1 {
		t.Errorf("%d lines begin with a key of the lock's, want the checksum alone:\n%s", len(n), text)
	}
	if bytes.ContainsAny(text, "\x1b\u202e") {
		t.Errorf("the lock does something to a terminal:\n%q", text)
	}
	p, err := lock.ReadLock("x", text)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Settings[0].Value; got != value {
		t.Errorf("the value is read as %q, want %q", got, value)
	}
}

// TestLockMayBeLaidOutAnew: what git or an editor does to lines and comments is no edit of the content.
func TestLockMayBeLaidOutAnew(t *testing.T) {
	text := string(lock.Of(sample(oneRun())).Lock())
	want, err := lock.ReadLock("x", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	_, uncommented, _ := strings.Cut(text, "\nversion:")
	for name, text := range map[string]string{
		"lines that end as on Windows": strings.ReplaceAll(text, "\n", "\r\n"),
		"without comments":             "version:" + uncommented,
		"a comment of one's own":       strings.Replace(text, "checks:", "# reviewed\nchecks: # see above", 1),
		"wider":                        strings.ReplaceAll(strings.ReplaceAll(text, "    ", "      "), "{result", "{ result"),
	} {
		got, err := lock.ReadLock("x", []byte(text))
		if diff := cmp.Diff(want, got, exceptUnlocked()); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}
