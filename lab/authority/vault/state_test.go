package vault_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/vault"
	"nomadlab.internal/lab/pki"
)

// TestSavedAndLoaded: what Load returns issues, signs and unseals as what Save wrote.
func TestSavedAndLoaded(t *testing.T) {
	both(t, func(t *testing.T, s *server) {
		dir := filepath.Join(t.TempDir(), "vault")
		if err := s.authority.Save(dir); err != nil {
			t.Fatal(err)
		}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			secret := map[string]bool{"vault-root-token": true, "vault-unseal-key": true, pki.CAKeyFile: true}[d.Name()]
			if d.IsDir() && info.Mode().Perm() != 0o700 || secret && info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %o", path, info.Mode().Perm())
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		o := s.options(s == running.published)
		loaded, err := vault.Load(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		defer loaded.Close()
		if loaded.Keys() != s.authority.Keys() {
			t.Error("other keys")
		}
		if err := loaded.Client().Seal(t.Context(), loaded.Keys().Root); err != nil {
			t.Fatal(err)
		}
		if err := loaded.Unseal(within(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := loaded.Issue(t.Context(), authority.Request{Identity: serverID}); err != nil {
			t.Error(err)
		}
		again, err := loaded.Signer().Issue(serverID)
		if err != nil {
			t.Fatal(err)
		}
		chain, err := again.Chain()
		if err != nil || len(chain) != 3 || !pki.Signed(one(t, s.authority.Signer().CertificatePEM()), chain[0]) {
			t.Errorf("the loaded signing authority: a chain of %d, %v", len(chain), err)
		}
		for _, name := range []string{"vault-root-token", "vault-unseal-key", "vault-root.pem", "vault-intermediate.pem", "vault-signer/" + pki.CAKeyFile} {
			if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, "gone")); err != nil {
				t.Fatal(err)
			}
			if _, err := vault.Load(dir, o); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("without %s: %v", name, err)
			}
			if err := os.Rename(filepath.Join(dir, "gone"), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
