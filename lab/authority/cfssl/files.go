package cfssl

import (
	"io/fs"
	"slices"
	"strings"
)

// The names of the guide.
const (
	authorityName = "nomad-ca"
	policyFile    = "cfssl.json"
	// publishedProfile is in no policy of the guide; cfssl then uses the default one (signer.Profile).
	publishedProfile = "client"
)

// initCommand makes the guide's authority.
const initCommand = "cfssl print-defaults csr | cfssl gencert -initca - | cfssljson -bare " + authorityName

// command returns the command line that does the same.
func (g gencert) command(name string) string {
	request := "{}"
	if g.key != nil {
		request = `{"key": {"algo": "rsa", "size": 2048}}`
	}
	args := []string{"echo", "'" + request + "'", "|", "cfssl", "gencert", "-ca=" + authorityName + ".pem", "-ca-key=" + authorityName + "-key.pem"}
	if g.configured {
		args = append(args, "-config="+policyFile)
	}
	if len(g.hosts) > 0 {
		args = append(args, `-hostname="`+strings.Join(g.hosts, ",")+`"`)
	}
	if g.profile != "" {
		args = append(args, "-profile="+g.profile)
	}
	return strings.Join(append(args, "-", "|", "cfssljson", "-bare", name), " ")
}

// File is a file that cfssl's commands leave behind. It prints without its content, which may be a private key.
type File struct {
	// Name has no folder.
	Name string
	// Mode is what `cfssljson` gives the file, before the umask.
	Mode fs.FileMode
	// text is a function, because fmt then prints no key.
	text func() []byte
}

// Text returns the content. It is secret if the file's name ends in -key.pem.
func (f File) Text() []byte { return f.text() }

func newFile(name string, mode fs.FileMode, text []byte) File {
	return File{Name: name, Mode: mode, text: func() []byte { return slices.Clone(text) }}
}

// bare returns the files that `cfssljson -bare NAME` writes (cmd/cfssljson/cfssljson.go:113-160).
func bare(name string, certificate, key, request []byte) []File {
	return []File{
		newFile(name+".pem", 0o664, certificate), newFile(name+"-key.pem", 0o600, key), newFile(name+".csr", 0o644, request),
	}
}
