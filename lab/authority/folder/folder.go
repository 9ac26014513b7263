// Package folder is the source of certificates that a user brings: a folder with the files of all, a folder for each role, or a
// folder for each node, in PEM or PKCS#12. It tells the files apart by what they hold, so that their names do not matter.
package folder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"nomadlab.internal/internal/userfile"
	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Options are what Read needs beside the folder.
type Options struct {
	// PasswordFile is the path of a file with the password of the folder's PKCS#12 files. It is the first line.
	// Empty: they have none.
	PasswordFile string
	// Requests are what will be asked of Issue. Read then also returns the errors of Issue for them, so that the user sees
	// everything that is wrong at once. Empty: Read returns an error only for a folder without any certificate to issue.
	Requests []authority.Request
}

// Source gives out the credentials in a user's folder. It reads the folder once: make another with Read after a change. It makes
// no certificate, so what a request asks for beyond role and region is ignored.
type Source struct {
	root     string
	files    []file
	holders  []*holder
	problems []spec.Problem
	signer   *pki.Authority

	mu sync.Mutex
	// nodes are the names of all nodes that asked.
	nodes []string
	// given are the holders by the node that has it; the lab's user has the empty name.
	given map[string]*holder
	// notes are what Warnings returns.
	notes []string
}

// The interface that a lab uses.
var _ authority.Source = (*Source)(nil)

// Read reads a folder and the folders below it, also by symbolic links. It passes over files that have neither a certificate nor
// a private key, and over those whose names begin with a dot.
//
// Which credential a node gets: one in a folder, or in a file, with the node's name; else one that names the node's role and
// region. The user gets one that names cli, or lies in a folder or file named cli, user, admin or operator; else any, because
// Nomad's HTTPS accepts every certificate of its authority (verified against Nomad 1.11.3). The authorities of a certificate are
// those in its folder, else in the folders above, else in all.
//
// Certificates and keys keep the bytes of their files, except those from PKCS#12. Intermediates that lie in another file are
// added behind the certificate if a peer needs them.
//
// An error about the folder is a *spec.InvalidError, which wraps spec.ErrInvalid and lists everything that is wrong, each with
// its file. Nothing secret is in it.
func Read(ctx context.Context, path string, o Options) (*Source, error) {
	if problem := notAFolder(path); problem != nil {
		return nil, &spec.InvalidError{Problems: []spec.Problem{*problem}}
	}
	s := &Source{root: path, given: map[string]*holder{}}
	password := s.readPassword(o.PasswordFile)
	if err := s.readFiles(ctx, password); err != nil {
		return nil, fmt.Errorf("read the certificates in %s: %w", path, err)
	}
	s.pairKeys()
	s.findSigner()
	s.noteFiles()
	if len(s.holders) == 0 {
		s.problems = append(s.problems, spec.Problem{Field: path, Found: "without any certificate of an agent that could be read",
			Mend: "put certificates, their keys and the authority's certificate there, such as `nomad tls ca create` and `nomad tls cert create` write"})
		return nil, &spec.InvalidError{Problems: s.problems}
	}
	if len(o.Requests) == 0 {
		return s, nil
	}
	if _, err := s.Issue(ctx, o.Requests...); err != nil {
		return nil, err
	}
	return s, nil
}

// notAFolder returns what is wrong with the path; nil if it is a folder.
func notAFolder(path string) *spec.Problem {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &spec.Problem{Field: path, Found: "missing", Mend: "name the folder that has the certificates"}
	case err != nil:
		return &spec.Problem{Field: path, Found: "unreadable (" + reason(err) + ")", Mend: "name a folder that you may read"}
	case !info.IsDir():
		return &spec.Problem{Field: path, Found: "a file, and no folder", Mend: "name the folder that has it, with the certificates of all agents"}
	}
	return nil
}

// reason returns an error of the file system without its path.
func reason(err error) string {
	if e, is := errors.AsType[*os.PathError](err); is {
		return e.Err.Error()
	}
	return err.Error()
}

// readPassword returns the password of PKCS#12 files; empty if there is none.
func (s *Source) readPassword(path string) string {
	if path == "" {
		return ""
	}
	text, err := userfile.Read(path)
	if err != nil {
		s.problems = append(s.problems, unreadable(path, err))
		return ""
	}
	if info, err := os.Stat(path); err == nil && info.Mode()&othersRead != 0 {
		s.note("%s, the file of the password, can be read by every user (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimRight(first, "\r")
}

// unreadable returns the problem of a file that cannot be read.
func unreadable(path string, err error) spec.Problem {
	switch {
	case errors.Is(err, userfile.ErrLimit):
		found, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), path+" "), ": ")
		if has, is := strings.CutPrefix(found, "has "); is {
			found = "a file that has " + has
		}
		return spec.Problem{Field: path, Found: strings.TrimPrefix(found, "is "), Mend: "remove it from the folder"}
	case errors.Is(err, os.ErrPermission):
		return spec.Problem{Field: path, Found: "unreadable (" + reason(err) + ")", Mend: "let the user who runs this read it, or run this as its owner"}
	default:
		return spec.Problem{Field: path, Found: "unreadable (" + reason(err) + ")", Mend: "mend the link or the file, or remove it"}
	}
}

// Issue returns the credential of each request from the folder. The names of a certificate stay as they are: if the role and
// region are not among them, Issue returns an error. It verifies that the agents of all requests accept each other, so ask for
// all at once. All errors are a *spec.InvalidError.
func (s *Source) Issue(ctx context.Context, requests ...authority.Request) ([]pki.Credential, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range requests {
		if r.Node != "" && !slices.Contains(s.nodes, r.Node) {
			s.nodes = append(s.nodes, r.Node)
		}
	}
	var problems []spec.Problem
	var uses []*use
	for _, r := range requests {
		u, wrong := s.choose(r)
		if problems = append(problems, wrong...); u != nil {
			uses = append(uses, u)
		}
	}
	problems = append(problems, s.judge(uses)...)
	if len(problems) > 0 {
		return nil, &spec.InvalidError{Problems: distinct(slices.Concat(s.problems, problems))}
	}
	out := make([]pki.Credential, 0, len(uses))
	for _, u := range uses {
		s.given[u.request.Node] = u.holder
		out = append(out, u.credential())
	}
	s.noteUses(uses)
	return out, nil
}

// Signer returns the authority whose key lies in the folder, if the agents accept what it signs. It is nil if there is none.
func (s *Source) Signer() *pki.Authority { return s.signer }

// Warnings returns, each in one sentence, what weakens the folder's credentials or may surprise their user, and does not keep a
// lab from starting. Those about credentials that were asked for come with Issue.
func (s *Source) Warnings() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.notes)
}

// note adds a warning once.
func (s *Source) note(format string, values ...any) {
	if text := fmt.Sprintf(format, values...); !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

// distinct returns the problems in their order, each once.
func distinct(all []spec.Problem) []spec.Problem {
	var out []spec.Problem
	for _, p := range all {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}
