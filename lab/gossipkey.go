package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// GossipKey is the key that the lab's servers began to encrypt their gossip with, in base64. Empty: they do not encrypt it,
// or the key is lost. It is a secret, in no record, log or evidence of the lab.
func (l *Lab) GossipKey() string {
	if l.gossip == nil {
		return ""
	}
	return *l.gossip
}

// gossipFile is the name of the gossip key's file, as the issuer of a lab of Compose has it.
const gossipFile = "gossip.key"

func (f folder) gossip() string { return filepath.Join(f.tls(), gossipFile) }

// writeGossip keeps the gossip key beside the authority's.
func (f folder) writeGossip(key string) error {
	if err := os.WriteFile(f.gossip(), []byte(key+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the lab's gossip key: %w", err)
	}
	return nil
}

// readGossip returns nil where there is no key: it was never there, or the file is lost.
func (f folder) readGossip() (*string, error) {
	text, err := os.ReadFile(f.gossip())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the lab's gossip key: %w", err)
	}
	return new(strings.TrimSpace(string(text))), nil
}
