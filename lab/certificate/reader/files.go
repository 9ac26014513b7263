package reader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/internal/userfile"
	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Errors about what a user named. Each is a spec.ErrInvalid.
const (
	// ErrUnreadable is returned for a file or folder that cannot be read.
	ErrUnreadable = spec.InputError("it cannot be read")
	// ErrNothing is returned for a file or folder without a certificate or a private key.
	ErrNothing = spec.InputError("there is no certificate and no private key in it")
	// ErrPassword is returned for a PKCS#12 file that the password does not open.
	ErrPassword = spec.InputError("the password does not open it")
	// ErrPort is returned for a port that cannot be reached, or does not speak TLS.
	ErrPort = spec.InputError("its certificate cannot be read")
)

// maxBeside is the largest file of a folder that is read, in bytes, and mostFiles how many files of a folder are.
const (
	maxBeside = 1 << 17
	mostFiles = 2000
)

// File reads a file. password opens a PKCS#12 file. It returns ErrUnreadable, ErrNothing or ErrPassword, wrapped.
func File(path, password string) (certificate.Input, error) {
	info, err := os.Stat(path)
	if err != nil {
		return certificate.Input{}, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	text, err := userfile.Read(path)
	if err != nil {
		return certificate.Input{}, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	i, err := certificate.Decode(text, path, password)
	i.Mode = info.Mode()
	switch {
	case errors.Is(err, pki.ErrWrongPassword) && password == "":
		return i, fmt.Errorf("%s: %w: give the file that holds its password with --password-file", path, ErrPassword)
	case errors.Is(err, pki.ErrWrongPassword):
		return i, fmt.Errorf("%s: %w: is the password file the right one?", path, ErrPassword)
	case err != nil:
		return i, fmt.Errorf("%s: %w: %w", path, ErrUnreadable, err)
	case !i.Holds():
		return i, fmt.Errorf("%s: %w: name a file in PEM, DER or PKCS#12", path, ErrNothing)
	}
	return i, nil
}

// Folder reads the files of a folder and of the folders below it, in the order of their names, and passes over what is neither
// certificate nor key. A file that cannot be read, or a PKCS#12 file that the password does not open, is in the result with that
// problem. It returns ErrUnreadable or ErrNothing, wrapped, and the cause of a ctx that ends.
func Folder(ctx context.Context, folder, password string) ([]certificate.Input, error) {
	var all []certificate.Input
	read := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			if path == folder {
				return fmt.Errorf("%w: %w", ErrUnreadable, err)
			}
			all = append(all, certificate.Input{Place: path, Format: "PEM", Unread: err.Error()})
			return nil
		case d.IsDir():
			return nil
		case read == mostFiles:
			return fmt.Errorf("%s: %w: it has more than %d files; name the folder of the certificates alone", folder, ErrUnreadable, mostFiles)
		}
		read++
		if i, ok := beside(path, password); ok {
			all = append(all, i)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: %w", folder, ErrNothing)
	}
	return all, nil
}

// beside reads one file of a folder. ok is false if it is of no concern.
func beside(path, password string) (i certificate.Input, ok bool) {
	info, err := os.Stat(path)
	switch {
	case err != nil || !info.Mode().IsRegular():
		return i, false // a pipe, a link to nowhere
	case info.Size() > maxBeside && isNamedAsCertificate(path):
		return certificate.Input{Place: path, Format: "PEM", Mode: info.Mode(),
			Unread: fmt.Sprintf("it has %d bytes, and in a folder at most %d are read: name the file itself", info.Size(), maxBeside)}, true
	case info.Size() > maxBeside:
		return i, false // a log
	}
	i, err = File(path, password)
	switch {
	case errors.Is(err, ErrNothing):
		return i, false
	case errors.Is(err, ErrPassword):
		i.Unread = "the password does not open it"
	case err != nil:
		i = certificate.Input{Place: path, Format: "PEM", Mode: info.Mode(), Unread: err.Error()}
	}
	return i, true
}

// isNamedAsCertificate reports whether a file's name ends as those of certificates and keys do.
func isNamedAsCertificate(path string) bool {
	endings := []string{".pem", ".crt", ".cer", ".der", ".key", ".pfx", ".p12", ".p7b"}
	return slices.Contains(endings, strings.ToLower(filepath.Ext(path)))
}

// Password reads a password from the first line of a file. It returns ErrUnreadable, wrapped; an empty path has an empty password.
func Password(ctx context.Context, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := userfile.ReadAny(ctx, path)
	if err != nil {
		return "", fmt.Errorf("password file: %w: %w", ErrUnreadable, err)
	}
	return firstLine(text), nil
}

// Authorities reads the authorities that agents trust, from files as tls.ca_file names them. It returns the errors of File.
func Authorities(paths ...string) ([]certificate.Input, error) {
	var all []certificate.Input
	for _, path := range paths {
		i, err := File(path, "")
		if err != nil {
			return nil, err
		}
		if len(i.Certificates) == 0 {
			return nil, fmt.Errorf("%s: %w: name the file of the authorities' certificates", path, ErrNothing)
		}
		all = append(all, i)
	}
	return all, nil
}

// firstLine returns a text without its line end and what follows.
func firstLine(text []byte) string {
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSuffix(line, "\r")
}
