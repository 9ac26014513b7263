package regress

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
)

// modeChecks returns the checks of the modes and owners of a role's files. Nomad starts with all that they find, and logs
// nothing (verified against Nomad 1.11.3).
func modeChecks(role pki.Role) []fileCheck {
	secrets := fileCheck{
		id: "configuration-with-secrets-is-private", title: "configuration that holds a secret can be read by its owner and group alone", severity: posture.Critical,
		why:  "the gossip key lets its reader speak with the servers, and a token gives its rights; Nomad starts without a word (verified against Nomad 1.11.3)",
		what: "configuration with a secret that every user may read", settings: []string{serverEncrypt, "acl.replication_token"},
		control: controlFile("gossip.hcl", 0o644, controlSecret, HoldsSecrets),
	}.ofOriginals(role, HoldsSecrets, readableByAll)
	secrets.restsOn = settingsWithSecrets
	owner := fileCheck{
		id: "key-file-belongs-to-root-or-the-agent", title: "the private key belongs to root or to the owner of the configuration", severity: posture.High,
		why:  "the owner of a file may change its mode, and so read it (chmod(2))",
		what: "a private key that belongs to another user", settings: []string{string(PartKey)},
		control: controlFile("key.pem", 0o600, "", HoldsKey),
	}.ofOriginals(role, HoldsKey, hasOtherOwner)
	lacks := owner.lacks
	owner.lacks = func(u userFiles) string {
		if why := lacks(u); why != "" || len(readers(u.originals)) > 0 {
			return why
		}
		return "it is not known whom the agent runs as: no file of its configuration can be read by its owner alone"
	}
	return []fileCheck{
		fileCheck{
			id: "key-file-is-private", title: "the private key can be read by its owner and group alone", severity: posture.Critical,
			why:  "its reader is an agent of the cluster, and Nomad starts without a word (verified against Nomad 1.11.3)",
			what: "a private key that every user may read", settings: []string{string(PartKey)},
			control: controlFile("key.pem", 0o644, "", HoldsKey),
		}.ofOriginals(role, HoldsKey, readableByAll),
		owner, secrets,
	}
}

// ofOriginals completes a check of the role's files that hold something: isWrong says which of them are wrong.
func (c fileCheck) ofOriginals(role pki.Role, holds Holds, isWrong func(o Original, all []Original) bool) fileCheck {
	c.id, c.role, c.local = string(role)+"-"+c.id, role, true
	words := func(u userFiles, of func(Original, []Original) bool) []string {
		var out []string
		for _, o := range u.originals {
			if o.Holds == holds && of(o, u.originals) {
				out = append(out, o.String())
			}
		}
		return out
	}
	all := func(Original, []Original) bool { return true }
	c.lacks = func(u userFiles) string {
		switch {
		case len(words(u, all)) > 0:
			return ""
		case holds == HoldsSecrets:
			return "none of your files that were read holds a secret"
		default:
			return noKeyFile
		}
	}
	c.wrong = func(u userFiles) []string { return words(u, isWrong) }
	c.right = func(u userFiles) string { return strings.Join(words(u, all), "; ") }
	return c
}

// noKeyFile says why nothing is known of private keys.
const noKeyFile = "none of your files that were read is one: give the keys with --tls-dir, or run this where they are"

// String describes the file by its path, mode and owner, and by the lines that hold a secret.
func (o Original) String() string {
	parts := []string{fmt.Sprintf("%s: %s, mode %04o, user %d", o.Path, o.Holds, o.Mode, o.Owner)}
	for _, secret := range o.Secrets {
		parts = append(parts, fmt.Sprintf("%s in line %d", secret.Setting, secret.Number))
	}
	return strings.Join(parts, ", ")
}

// readableByAll reports whether users who are neither the owner nor in the group have any right to the file.
func readableByAll(o Original, _ []Original) bool { return o.Mode&0o007 != 0 }

// hasOtherOwner reports whether the file belongs neither to root nor to a user that the agent may run as.
func hasOtherOwner(o Original, all []Original) bool {
	return o.Owner != 0 && !slices.Contains(readers(all), o.Owner)
}

// readers returns the owners of configuration that only its owner may read: an agent that reads it runs as one of them, or as
// root.
func readers(all []Original) []int {
	var owners []int
	for _, o := range all {
		if (o.Holds == HoldsSecrets || o.Holds == HoldsSettings) && o.Mode&0o077 == 0 {
			owners = append(owners, o.Owner)
		}
	}
	return owners
}

// settingsWithSecrets returns the settings that hold the secrets of the files that every user may read; if there are none, of
// all files.
func settingsWithSecrets(u userFiles) []string {
	open := slices.DeleteFunc(slices.Clone(u.originals), func(o Original) bool { return !readableByAll(o, nil) })
	for _, from := range [][]Original{open, u.originals} {
		var settings []string
		for _, o := range from {
			for _, secret := range o.Secrets {
				settings = append(settings, secret.Setting)
			}
		}
		if len(settings) > 0 {
			return once(settings)
		}
	}
	return []string{serverEncrypt, "acl.replication_token"}
}

// controlSecret is configuration with a gossip key, of no cluster.
const controlSecret = `server { encrypt = "bm8gY2x1c3RlciBoYXMgdGhpcyBvbmUsIGV2ZXIgISE=" }`

// unusedID is the user to whom no file belongs (65534 is nobody, to whom user namespaces map unknown users).
const unusedID = 65534

// controlFile returns a control that writes one file, whatever the umask is, and reads it as a user's is read. It takes a file
// of root's for one of another user.
func controlFile(name string, mode fs.FileMode, text string, holds Holds) func(string, string) (userFiles, error) {
	return func(folder, _ string) (userFiles, error) {
		path := filepath.Join(folder, name)
		if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
			return userFiles{}, err
		}
		o, err := originalOf("", path, holds)
		if holds == HoldsSecrets {
			var all []Original
			if _, all, err = readFiles("", []string{path}); err == nil {
				o = all[0]
			}
		}
		if o.Owner == 0 {
			o.Owner = unusedID
		}
		return userFiles{originals: []Original{o}}, err
	}
}
