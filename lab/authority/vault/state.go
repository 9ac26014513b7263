package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"nomadlab.internal/internal/userfile"
	"nomadlab.internal/lab/pki"
)

// The files of Save. The first two are secret.
const (
	unsealKeyFile    = "vault-unseal-key"
	rootTokenFile    = "vault-root-token"
	rootFile         = "vault-root.pem"
	intermediateFile = "vault-intermediate.pem"
	signerFolder     = "vault-signer"
)

// Save writes into dir what Load needs: unseal key, root token, both authorities' certificates, and the signing authority with its
// key. It makes dir with mode 0700 if it does not exist; the files have mode 0600. It returns errors of the file system.
func (a *Authority) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("save the secrets of Vault: %w", err)
	}
	for name, text := range map[string]string{
		unsealKeyFile: a.keys.Unseal.Reveal() + "\n", rootTokenFile: a.keys.Root.Reveal() + "\n",
		rootFile: string(a.root), intermediateFile: string(a.intermediate),
	} {
		if err := replace(dir, name, text); err != nil {
			return fmt.Errorf("save the secrets of Vault: %w", err)
		}
	}
	return a.signer.Save(filepath.Join(dir, signerFolder))
}

// replace writes a file with mode 0600 beside the old one and renames it.
func replace(dir, name, text string) error {
	draft, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return err
	}
	_, writeErr := draft.WriteString(text)
	if err = errors.Join(writeErr, draft.Close()); err == nil {
		err = os.Rename(draft.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(draft.Name()))
	}
	return nil
}

// Load returns the Authority that Save wrote to dir, for the Options of its Setup, and calls nobody. After a start of the Vault
// server it is sealed: call Unseal. Options.Address may differ from that of Setup. The error names the file that is missing
// (errors.Is fs.ErrNotExist) or damaged.
func Load(dir string, o Options) (*Authority, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("load the secrets of Vault: %w", err)
	}
	client, err := NewClient(o.Address, o.CA)
	if err != nil {
		return nil, fmt.Errorf("load the secrets of Vault: %w", err)
	}
	a := &Authority{client: client, o: o, tokens: map[string]Secret{}}
	for name, put := range map[string]func(text []byte){
		unsealKeyFile:    func(text []byte) { a.keys.Unseal = NewSecret(strings.TrimSpace(string(text))) },
		rootTokenFile:    func(text []byte) { a.keys.Root = NewSecret(strings.TrimSpace(string(text))) },
		rootFile:         func(text []byte) { a.root = text },
		intermediateFile: func(text []byte) { a.intermediate = text },
	} {
		text, err := userfile.Read(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("load the secrets of Vault: %w", err)
		}
		put(text)
	}
	if a.signer, err = pki.LoadAuthority(filepath.Join(dir, signerFolder), pki.Options{LeafTTL: o.TTL}); err != nil {
		return nil, fmt.Errorf("load the secrets of Vault: %w", err)
	}
	return a, nil
}

// Unseal opens the Vault server after it was started again, and waits until it is active.
func (a *Authority) Unseal(ctx context.Context) error { return a.client.Unseal(ctx, a.keys.Unseal) }
