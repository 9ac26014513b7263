package image

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// fromBinary returns an image around the binary that the user named. Its tag is the binary's hash and that of
// the files around it: the same binary is put in an image once.
func (r *resolver) fromBinary(ctx context.Context, path string) (Image, error) {
	arch, err := r.architecture(ctx)
	if err != nil {
		return Image{}, err
	}
	if err := examine(path, arch); err != nil {
		return Image{}, fmt.Errorf("%w %s: %w", ErrUnusableBinary, path, err)
	}
	content, err := hashFile(path)
	if err != nil {
		return Image{}, err
	}
	around, err := r.recipes.hash("")
	if err != nil {
		return Image{}, err
	}
	ref := fmt.Sprintf("%s:binary-%s-%s", r.ours, content[:12], around)
	img, found, err := r.local(ctx, ref, "")
	if err != nil {
		return Image{}, err
	}
	if !found {
		img, err = r.once(ctx, ref, func(work string) error {
			return r.wrapBinary(ctx, path, arch, ref, content, work)
		})
	}
	if err != nil {
		return Image{}, fmt.Errorf("make an image around %s: %w", path, err)
	}
	img.Source = Named
	return img, nil
}

func (r *resolver) wrapBinary(ctx context.Context, path, arch, ref, content, work string) error {
	version, err := r.versionOf(ctx, path, arch)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnusableBinary, err)
	}
	box, err := r.busybox(ctx, arch, work)
	if err != nil {
		return err
	}
	return r.importImage(ctx, ref, rootfs{nomad: path, busybox: box}, map[string]string{
		labelVersion: version,
		labelRecipe:  "binary-" + content,
	})
}

// versionOf asks the binary for its version; it is "" when this machine cannot run the binary.
func (r *resolver) versionOf(ctx context.Context, path, arch string) (string, error) {
	if !runsHere(arch) {
		return "", nil
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", path, err)
	}
	out, err := r.children.ask(ctx, absolute, "version")
	if err != nil {
		return "", fmt.Errorf("ask it for its version: %w", err)
	}
	first, _, _ := strings.Cut(out, "\n")
	version, isNomad := strings.CutPrefix(first, "Nomad v")
	if !isNomad {
		return "", fmt.Errorf("asked for its version it says %q: this is not nomad", first)
	}
	return strings.TrimSpace(version), nil
}

// runsHere says whether this machine can run a Linux binary of that architecture.
func runsHere(arch string) bool { return runtime.GOOS == "linux" && runtime.GOARCH == arch }

// architectures maps what an ELF file says to GOARCH.
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

// examine returns why a file cannot run in a container that holds no C library: nil if it can.
func examine(path, arch string) error {
	file, err := elf.Open(path)
	var malformed *elf.FormatError
	switch {
	case errors.As(err, &malformed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("it is not a Linux executable (ELF)")
	case err != nil:
		return err // an *fs.PathError, which names the file
	}
	defer func() { _ = file.Close() }()
	if file.OSABI != elf.ELFOSABI_NONE && file.OSABI != elf.ELFOSABI_LINUX {
		return fmt.Errorf("it is an executable for %v, not for Linux", file.OSABI)
	}
	if file.Type != elf.ET_EXEC && file.Type != elf.ET_DYN {
		return fmt.Errorf("it is not an executable, but %v", file.Type)
	}
	if got := architectures(file.Machine); got != arch {
		return fmt.Errorf("it is for %s, and the Docker daemon runs %s", got, arch)
	}
	for _, program := range file.Progs {
		if program.Type == elf.PT_INTERP {
			return errors.New("it is linked dynamically, and the image has no C library: name a static one (CGO_ENABLED=0)")
		}
	}
	return nil
}

func hashFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("hash the binary: %w", err)
	}
	defer func() { _ = file.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", fmt.Errorf("hash %s: %w", path, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
