package plan

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strconv"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// EvidenceName returns the name of the file in the evidence. Files of a user configuration have the number of their
// folder, which is their order, in front.
func (f File) EvidenceName() string {
	if f.Origin == "" {
		return path.Base(f.Path)
	}
	return path.Base(path.Dir(f.Path)) + "-" + path.Base(f.Path)
}

// File is a file of a node. Its content is in the plan, or is a secret that is made during the start.
type File struct {
	Path    string      `json:"path"`
	Mode    fs.FileMode `json:"mode"`
	Content string      `json:"content,omitempty"`
	Secret  Secret      `json:"secret,omitempty"`
	// Also are further secrets in the file, after the first.
	Also []Secret `json:"also,omitempty"`
	// Origin is the name of the file in a user configuration.
	Origin string `json:"origin,omitempty"`
	// Whole is the whole text of a file whose Content lacks the secrets. It is in no record.
	Whole Sealed `json:"-"`
}

// Secret names a content that is not in the plan.
type Secret string

// The contents that are not in the plan.
const (
	CACertificate Secret = "ca certificate"
	Certificate   Secret = "certificate"
	PrivateKey    Secret = "private key"
	Gossip        Secret = "gossip key"
	IntroToken    Secret = "introduction token"
	// VaultCertificate and VaultKey are those of the Vault server itself, VaultCA is their authority.
	VaultCertificate Secret = "certificate of vault"
	VaultKey         Secret = "private key of vault"
	VaultCA          Secret = "ca certificate of vault"
	// VaultToken is the configuration of consul-template that has the node's own token.
	VaultToken Secret = "vault token"
	// ConsulTemplate is the program consul-template.
	ConsulTemplate Secret = "consul-template"
	// UserText is the whole text of a file of a user configuration; Content is that text without its secrets.
	UserText Secret = "configuration"
)

// planFiles returns the files of a node's configuration.
func planFiles(n Node, at paths, config string) []File {
	files := []File{
		{Path: at.data, Mode: fs.ModeDir | 0o700},
		{Path: at.config, Mode: fs.ModeDir | 0o700},
		{Path: at.config + agentFile, Mode: 0o600, Content: config},
	}
	if n.Role == pki.Server && n.Gossip != spec.NoKey {
		files = append(files, File{Path: at.config + "/gossip.hcl", Mode: 0o600, Secret: Gossip})
	}
	return files
}

// certificateFiles returns a node's own certificate and key, and the authority's certificate.
func certificateFiles(n Node, at paths) []File {
	return []File{
		{Path: at.tls, Mode: fs.ModeDir | 0o700},
		{Path: at.tls + "/" + pki.CAFile, Mode: 0o600, Secret: CACertificate},
		{Path: at.tls + "/" + n.Identity.CertFile(), Mode: 0o600, Secret: Certificate},
		{Path: at.tls + "/" + n.Identity.KeyFile(), Mode: 0o600, Secret: PrivateKey},
	}
}

// Sealed is a text that is not shown when the value that contains it is printed or encoded.
type Sealed string

// String keeps the text out of %v.
func (Sealed) String() string { return "…" }

// GoString keeps the text out of %#v.
func (Sealed) GoString() string { return "…" }

// MarshalText keeps the text out of JSON and YAML.
func (Sealed) MarshalText() ([]byte, error) { return []byte("…"), nil }

// plainFile is File without its JSON methods.
type plainFile File

// fileJSON is the JSON form of a file: the mode in octal, as chmod takes it, and whether it is a folder.
type fileJSON struct {
	plainFile
	Mode   any  `json:"mode"`
	Folder bool `json:"folder,omitempty"`
}

// MarshalJSON writes the mode as "0600".
func (f File) MarshalJSON() ([]byte, error) {
	return json.Marshal(fileJSON{plainFile: plainFile(f), Mode: fmt.Sprintf("%04o", f.Mode.Perm()), Folder: f.Mode.IsDir()})
}

// UnmarshalJSON reads what MarshalJSON writes. The mode may also be a number, as in older records.
func (f *File) UnmarshalJSON(text []byte) error {
	var read fileJSON
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	*f = File(read.plainFile)
	switch mode := read.Mode.(type) {
	case string:
		bits, err := strconv.ParseUint(mode, 8, 32)
		if err != nil {
			return fmt.Errorf("the mode of %s is %q: %w", f.Path, mode, err)
		}
		f.Mode = fs.FileMode(bits)
		if read.Folder {
			f.Mode |= fs.ModeDir
		}
	case float64:
		f.Mode = fs.FileMode(mode)
	}
	return nil
}
