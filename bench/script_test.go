package main

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
)

// obedient does what floor.sh says a script does, without a cluster: it copies certificates, and leaves a file in
// $SEEN when it has removed everything.
const obedient = `
set -eu
trap 'rm -rf "$FOLDER"; echo "removed $CLIENTS" >>"$SEEN"' EXIT
mkdir "$FOLDER"
cp "$TLS"/* "$FOLDER"
echo "prepared $FOLDER"
read -r || exit 0
echo begun >>"$SEEN"
echo server 192.0.2.1:4646
echo server nonsense
echo client 192.0.2.9:4646
echo server 192.0.2.2:4646
echo up
while read -r; do :; done
`

// testScript starts a script with what it needs. seen returns what it did.
type testScript struct {
	folder string
	start  func(ctx context.Context, clients int) (*scriptAttempt, error)
	seen   func() string
}

// newScript returns a test script with that text.
func newScript(t *testing.T, text string) testScript {
	t.Helper()
	authority, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cli, err := authority.Issue(pki.Identity{Role: pki.CLI, Region: "global"})
	if err != nil {
		t.Fatal(err)
	}
	tls, log := t.TempDir(), filepath.Join(t.TempDir(), "seen")
	if err := cli.Save(tls); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	return testScript{
		folder: folder,
		start: func(ctx context.Context, clients int) (*scriptAttempt, error) {
			c := contestant{name: "by-hand", title: "the script", script: text}
			return startScript(ctx, c, folder, []string{"TLS=" + tls, "SEEN=" + log}, clients)
		},
		seen: func() string {
			data, err := os.ReadFile(log)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			return string(data)
		},
	}
}

// empty fails the test when the script's folder is not.
func empty(t *testing.T, folder string) {
	t.Helper()
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestScript(t *testing.T) {
	c := newScript(t, obedient)
	a, err := c.start(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	if a.clientTLS() == nil || len(a.servers()) != 0 || c.seen() != "" {
		t.Errorf("prepared: TLS %v, servers %v, done %q: want certificates, and nothing begun", a.clientTLS(), a.servers(), c.seen())
	}
	if err := a.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:4646"), netip.MustParseAddrPort("192.0.2.2:4646")}
	if got := a.servers(); !slices.Equal(got, want) {
		t.Errorf("servers %v, want %v", got, want)
	}
	if err := a.remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := c.seen(), "begun\nremoved 7\n"; got != want {
		t.Errorf("the script did %q, want %q", got, want)
	}
	empty(t, c.folder)
}

// TestScriptIsRemovedAtAnyTime: also before it was begun, and by a caller whose context has ended.
func TestScriptIsRemovedAtAnyTime(t *testing.T) {
	c := newScript(t, obedient)
	a, err := c.start(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.remove(ended); err != nil {
		t.Fatal(err)
	}
	if got, want := c.seen(), "removed 2\n"; got != want {
		t.Errorf("the script did %q, want %q", got, want)
	}
	empty(t, c.folder)
}

// TestScriptIsInterrupted: an interrupt is no reason to leave anything.
func TestScriptIsInterrupted(t *testing.T) {
	for name, text := range map[string]string{
		"while it prepares":     strings.Replace(obedient, `echo "prepared`, `read -r; echo "prepared`, 1),
		"while it brings it up": strings.Replace(obedient, "echo up", `while read -r; do :; done; exit 0`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newScript(t, text)
			ctx, interrupt := context.WithCancel(t.Context())
			a, err := prepareThenInterrupt(ctx, interrupt, c)
			if err == nil {
				if err = a.begin(ctx); err == nil {
					t.Error("an interrupted start ended well")
				}
				if err := a.remove(ctx); err != nil {
					t.Error(err)
				}
			}
			if !strings.HasSuffix(c.seen(), "removed 2\n") {
				t.Errorf("the script did %q, and not remove everything", c.seen())
			}
			empty(t, c.folder)
		})
	}
}

// prepareThenInterrupt interrupts when the script has made its certificates.
func prepareThenInterrupt(ctx context.Context, interrupt func(), c testScript) (*scriptAttempt, error) {
	go func() {
		defer interrupt()
		_ = poll.Until(ctx, "the certificates", func(context.Context) string { // the test is ended by its own limit
			if found, _ := filepath.Glob(filepath.Join(c.folder, "*", "cluster", "*.pem")); len(found) != 3 {
				return "not there"
			}
			return ""
		})
	}()
	return c.start(ctx, 2)
}

func TestScriptFails(t *testing.T) {
	const words = "there is no such subnet"
	for name, c := range map[string]struct{ text, want string }{
		"before it is prepared":          {"echo '" + words + "' >&2; exit 3", words},
		"without a word":                 {"exit 0", "ended before it was told to"},
		"certificates that are not":      {`mkdir "$FOLDER"; echo prepared; read -r`, "certificates of the script"},
		"certificates of something else": {`mkdir "$FOLDER"; for f in nomad-agent-ca global-cli-nomad global-cli-nomad-key; do echo x >"$FOLDER/$f.pem"; done; echo prepared; read -r`, "certificates of the script"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScript(t, c.text)
			if _, err := s.start(t.Context(), 2); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that says %q", err, c.want)
			}
			empty(t, s.folder)
		})
	}
	t.Run("after it has begun", func(t *testing.T) {
		s := newScript(t, strings.Replace(obedient, "echo up", "echo '"+words+"' >&2; exit 3", 1))
		a, err := s.start(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.begin(t.Context()); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("got %v, want an error that says %q", err, words)
		}
		if err := a.remove(t.Context()); err == nil {
			t.Error("that the script failed is forgotten")
		}
		empty(t, s.folder)
	})
}
