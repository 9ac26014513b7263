package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// TakeKeys writes an authority's files into the folder. Each replaces the old file in one step; the authority's
// certificate comes last.
func (f Folder) TakeKeys(files []engine.File, cli pki.Identity) error {
	if err := checkHome(); err != nil {
		return err
	}
	if err := os.MkdirAll(f.TLS(), 0o700); err != nil {
		return fmt.Errorf("make the lab's folder: %w", err)
	}
	draft, err := os.MkdirTemp(f.Path, "draft-")
	if err != nil {
		return fmt.Errorf("make a folder for the lab's keys: %w", err)
	}
	defer func() { _ = os.RemoveAll(draft) }()
	for _, name := range []string{pki.CAKeyFile, cli.KeyFile(), cli.CertFile(), gossipFile, pki.CAFile} {
		i := slices.IndexFunc(files, func(f engine.File) bool { return filepath.Base(f.Path) == name })
		if i < 0 {
			return fmt.Errorf("%w: %s has no %s: is the lab still coming up?", spec.ErrDamaged, ComposeAuthority, name)
		}
		written := filepath.Join(draft, name)
		if err := os.WriteFile(written, files[i].Data, 0o600); err != nil {
			return OutOfSpace(fmt.Errorf("write the lab's keys: %w", err))
		}
		if err := os.Rename(written, filepath.Join(f.TLS(), name)); err != nil {
			return fmt.Errorf("write the lab's keys: %w", err)
		}
	}
	return nil
}

// The files of single secrets. That of the gossip key has the same name in the issuer of a lab of Compose.
const (
	gossipFile = "gossip.key"
	tokenFile  = "management.token"
)

// WriteGossip writes the gossip key beside the authority's.
func (f Folder) WriteGossip(key string) error {
	return writeSecret(filepath.Join(f.TLS(), gossipFile), "the lab's gossip key", key)
}

// ReadGossip returns the gossip key, or nil if there is no file.
func (f Folder) ReadGossip() (*string, error) {
	return readSecret(filepath.Join(f.TLS(), gossipFile), "the lab's gossip key")
}

// WriteToken writes the secret of the lab's management token.
func (f Folder) WriteToken(secret string) error {
	return writeSecret(filepath.Join(f.Path, tokenFile), "the management token", secret)
}

// ReadToken returns the secret of the management token, or nil if there is no file.
func (f Folder) ReadToken() (*string, error) {
	return readSecret(filepath.Join(f.Path, tokenFile), "the management token")
}

// RemoveToken removes the file of the management token.
func (f Folder) RemoveToken() error {
	if err := os.Remove(filepath.Join(f.Path, tokenFile)); err != nil {
		return fmt.Errorf("remove the management token: %w", err)
	}
	return nil
}

func writeSecret(file, what, secret string) error {
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	return nil
}

func readSecret(file, what string) (*string, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return new(strings.TrimSpace(string(text))), nil
}
