package scenarios_test

import (
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/spec"
)

// TestPostureOfEachSource: wherever the certificates of a hardened lab come from, every check passes, and each kind of certificate
// is accepted where it is known to be. TestPosture does the same with the builtin source.
func TestPostureOfEachSource(t *testing.T) {
	t.Parallel()
	for _, source := range []string{spec.NomadSource, spec.CFSSLSource, spec.VaultSource, "a folder"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			at := source
			switch source {
			case spec.VaultSource:
				labtest.NeedsVault(t)
			case "a folder":
				at = brought(t)
			}
			l := labtest.Start(t, spec.Hardened(), spec.Clients(1), spec.CertificatesFrom(at))
			r := inspected(t, l)
			if len(tried(r.Findings)) == 0 {
				t.Fatal("no check ran: nothing would be proved")
			}
			for _, f := range tried(r.Findings) {
				lacking(t, f)
				show(t, f)
			}
			showMatrix(t, possible(source, r.Matrix))
		})
	}
}

// possible returns the matrix without the one row that a source cannot have: the key of Vault's root never leaves Vault, so
// nothing can be issued with it.
func possible(source string, m *finding.Matrix) *finding.Matrix {
	if source != spec.VaultSource || m == nil {
		return m
	}
	without := *m
	without.Rows = slices.DeleteFunc(slices.Clone(m.Rows), func(r finding.MatrixRow) bool { return r.Certificate == string(caller.IssuedByRoot) })
	return &without
}

// brought returns a folder with an authority, its key, and a certificate for each role, as a user may have them.
func brought(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	a, err := pki.NewAuthority(pki.Options{CommonName: "the user's", Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []pki.Role{pki.Server, pki.Client, pki.CLI} {
		c, err := a.Issue(pki.Identity{Role: role})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Save(folder); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Save(folder); err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestPostureAsPublished: what fails in labs that follow the guides to the letter is what the guides leave weak, by name, and
// nothing else. TestPostureOfEachSource is the control.
func TestPostureAsPublished(t *testing.T) {
	t.Parallel()
	for source, weak := range map[string][]string{
		spec.CFSSLSource: {"client-certificate-lives-at-most-13-months", "gossip-keys-have-32-bytes", "server-certificate-lives-at-most-13-months"},
		spec.VaultSource: {"gossip-keys-have-32-bytes"},
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			if source == spec.VaultSource {
				labtest.NeedsVault(t)
			}
			l := labtest.Start(t, asPublished(source))
			var failed []string
			for _, f := range inspected(t, l).Findings {
				if f.Result == finding.Fail && !slices.Contains(failed, f.ID) {
					failed = append(failed, f.ID)
				}
			}
			slices.Sort(failed)
			if !slices.Equal(failed, weak) {
				t.Errorf("these fail: %q, want %q", strings.Join(failed, " "), strings.Join(weak, " "))
			}
		})
	}
}

// asPublished is a hardened lab of a source whose guide is followed to the letter.
func asPublished(source string) spec.Option {
	return func(s *spec.Spec) {
		s.Authority, s.GossipKeyBytes, s.Hardened = spec.Authority{Source: source, AsPublished: true}, 16, true
		*s = s.With(spec.Servers(1), spec.Clients(1))
	}
}

// TestALabOfVaultStartsAgain: after a reboot Vault is sealed, and no agent would get a certificate. Restart unseals it first.
func TestALabOfVaultStartsAgain(t *testing.T) {
	t.Parallel()
	labtest.NeedsVault(t)
	l := labtest.Start(t, spec.Servers(1), spec.Clients(1), spec.CertificatesFrom(spec.VaultSource))
	v, err := l.Vault(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Client().Seal(t.Context(), v.Keys().Root); err != nil {
		t.Fatal(err)
	}
	for _, n := range append(l.Clients(), l.Servers()...) {
		if err := n.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	health, err := v.Client().Health(t.Context())
	if err != nil || health.Err() == nil {
		t.Fatalf("Vault is not sealed: %v, %v", health, err)
	}
	if err := l.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := l.Status(t.Context()); !status.Ready {
		t.Errorf("trouble: %q", status.Trouble)
	}
}
