package nomadcli

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// maxFile is the largest file that a script returns, in bytes. Certificates have about 1000.
const maxFile = 1 << 20

// archive has the files that a script returned, by their paths such as ca/code.
type archive map[string][]byte

// readArchive reads the output of a script.
func readArchive(text []byte) (archive, error) {
	a := archive{}
	for r := tar.NewReader(bytes.NewReader(text)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the archive of the %d bytes that the script wrote: %w", len(text), err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
		if err != nil {
			return nil, fmt.Errorf("read %s from the archive that the script wrote: %w", header.Name, err)
		}
		if len(data) > maxFile {
			return nil, fmt.Errorf("%s has more than %d bytes, which is no certificate", header.Name, maxFile)
		}
		a[path.Clean(header.Name)] = data
	}
	if len(a) == 0 {
		return nil, errors.New("the script that runs `nomad tls` wrote no archive")
	}
	return a, nil
}

// succeeded returns nil if the command of a folder ended with 0, and otherwise what Nomad said about it.
func (a archive) succeeded(folder, command string) error {
	text, ran := a[path.Join(folder, codeFile)]
	if !ran {
		return fmt.Errorf("`%s` was not run to its end", command)
	}
	code, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("exit code of `%s`: %w", command, err)
	}
	if code != 0 {
		return &refusal{command: command, code: code, said: complaint(string(a[path.Join(folder, saidFile)]))}
	}
	return nil
}

// file returns a file that a command made.
func (a archive) file(folder, name string) ([]byte, error) {
	text, made := a[path.Join(folder, name)]
	if !made {
		return nil, fmt.Errorf("`nomad tls` made no file %s", name)
	}
	return text, nil
}
