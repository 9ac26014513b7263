package image

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"syscall"
)

// longestPath is Linux's PATH_MAX.
const longestPath = 4096

// architectures returns the GOARCH of an ELF file's machine.
func architectures(machine elf.Machine) string {
	switch machine {
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_AARCH64:
		return "arm64"
	case elf.EM_ARM:
		return "arm"
	case elf.EM_386:
		return "386"
	case elf.EM_S390:
		return "s390x"
	case elf.EM_PPC64:
		return "ppc64le"
	case elf.EM_RISCV:
		return "riscv64"
	default:
		return machine.String()
	}
}

// checkStatic returns an error if a file cannot run in a container that has no C library.
func checkStatic(path, arch string) error {
	loader, err := readELF(path, arch)
	if err == nil && loader != "" {
		err = errors.New("it is linked dynamically, and the image has no C library: name a static one (CGO_ENABLED=0)")
	}
	return err
}

// explainStart returns a better error for a file that could not be started. The kernel's own is "exec format error" for
// another architecture, and "no such file" if the file's loader is missing.
func explainStart(path string, started error) error {
	if runtime.GOOS != "linux" {
		return started
	}
	loader, err := readELF(path, runtime.GOARCH)
	switch {
	case errors.Is(started, syscall.ENOEXEC) && err != nil:
		return err
	case errors.Is(started, fs.ErrNotExist) && loader != "":
		return fmt.Errorf("it is linked dynamically, and its loader %q is not on this machine: name a static one, or one made for this system: %w",
			loader, started)
	default:
		return started
	}
}

// readELF returns the path of the loader that a Linux executable needs, or "" if it is static. It returns an error if the
// file is no executable for that architecture.
func readELF(path, arch string) (loader string, err error) {
	file, err := elf.Open(path)
	var malformed *elf.FormatError
	switch {
	case errors.As(err, &malformed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "", fmt.Errorf("it is not a Linux executable (ELF)")
	case err != nil:
		return "", err // an *fs.PathError, which names the file
	}
	defer func() { _ = file.Close() }()
	if file.OSABI != elf.ELFOSABI_NONE && file.OSABI != elf.ELFOSABI_LINUX {
		return "", fmt.Errorf("it is an executable for %v, not for Linux", file.OSABI)
	}
	if file.Type != elf.ET_EXEC && file.Type != elf.ET_DYN {
		return "", fmt.Errorf("it is not an executable, but %v", file.Type)
	}
	if got := architectures(file.Machine); got != arch {
		return "", fmt.Errorf("it is for %s, and %s is needed", got, arch)
	}
	for _, program := range file.Progs {
		if program.Type == elf.PT_INTERP {
			text, err := io.ReadAll(io.LimitReader(program.Open(), longestPath))
			if err != nil {
				return "", fmt.Errorf("read which loader it needs: %w", err)
			}
			loader, _, _ = strings.Cut(string(text), "\x00")
			return cmp.Or(loader, "without a name"), nil
		}
	}
	return "", nil
}
