package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// busybox is a static BusyBox and the paths of its applets, without a leading slash.
type busybox struct {
	path    string
	applets []string
}

// busybox returns this machine's static BusyBox, or Debian's, which it unpacks in work and does not install.
func (r *resolver) busybox(ctx context.Context, arch, work string) (busybox, error) {
	r.progress.tell(Event{Stage: StageBusybox, Text: "looking for a static BusyBox"})
	if !runsHere(arch) {
		return busybox{}, fmt.Errorf("%w: the Docker daemon runs linux/%s and this machine is %s/%s, so that it can neither have nor try one: name an image (--image)",
			ErrNoBusybox, arch, runtime.GOOS, runtime.GOARCH)
	}
	candidates := []string{"/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static"}
	if inPath, err := exec.LookPath("busybox"); err == nil {
		candidates = slices.Insert(candidates, 0, inPath)
	}
	for _, candidate := range candidates {
		if box, err := r.tryBusybox(ctx, candidate, arch); err == nil {
			return box, nil
		}
	}
	unpacked, err := r.debianBusybox(ctx, work)
	if err == nil {
		var box busybox
		if box, err = r.tryBusybox(ctx, unpacked, arch); err == nil {
			return box, nil
		}
	}
	if ctx.Err() != nil {
		return busybox{}, err
	}
	return busybox{}, fmt.Errorf("%w: this machine has none, and Debian's package cannot be had: %w. "+
		"Install one (Debian: apt-get install busybox-static, Alpine: apk add busybox-static), or name an image (--image)", ErrNoBusybox, err)
}

// tryBusybox returns the candidate if it is static, runs, and lists its applets.
func (r *resolver) tryBusybox(ctx context.Context, candidate, arch string) (busybox, error) {
	if err := checkStatic(candidate, arch); err != nil {
		return busybox{}, fmt.Errorf("%s: %w", candidate, err)
	}
	list, err := r.children.ask(ctx, candidate, "--list-full")
	if err != nil {
		return busybox{}, err
	}
	box := busybox{path: candidate}
	for name := range strings.FieldsSeq(list) {
		if name = path.Clean(name); name != "bin/busybox" && !path.IsAbs(name) && !strings.HasPrefix(name, "..") {
			box.applets = append(box.applets, name)
		}
	}
	if !slices.Contains(box.applets, "bin/sh") {
		return busybox{}, fmt.Errorf("%s has no shell", candidate)
	}
	return box, nil
}

// debianBusybox downloads Debian's busybox-static package into work and unpacks it there. If the machine's package index is
// stale, it downloads a fresh one into work, so that it needs no root and does not change the machine.
func (r *resolver) debianBusybox(ctx context.Context, work string) (string, error) {
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("this is no Debian or Ubuntu: %w", err)
		}
	}
	// With the sandbox user root, apt can write to work, which other users cannot enter.
	options := []string{"-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20"}
	download := func(options []string) error {
		_, err := r.runTool(ctx, work, "apt-get", append(slices.Clone(options), "download", "busybox-static")...)
		return err
	}
	if stale := download(options); stale != nil {
		options = append(options, "-o", "Dir::State::Lists="+filepath.Join(work, "lists"), "-o", "Dir::Cache="+filepath.Join(work, "apt"))
		if err := os.MkdirAll(filepath.Join(work, "lists", "partial"), 0o700); err != nil {
			return "", fmt.Errorf("make a folder for Debian's package index: %w", err)
		}
		// An update that reached none of its sources succeeds, and only its output says so.
		said, err := r.runTool(ctx, work, "apt-get", append(slices.Clone(options), "update")...)
		if err == nil {
			err = download(options)
		}
		if err != nil {
			return "", fmt.Errorf("the package index of this machine is empty or stale (%w), and a fresh one does not help: %w (apt-get update said:%s)",
				stale, err, cmp.Or(said, " nothing"))
		}
	}
	return r.unpackBusybox(ctx, work)
}

func (r *resolver) unpackBusybox(ctx context.Context, work string) (string, error) {
	packages, err := filepath.Glob(filepath.Join(work, "busybox-static_*.deb"))
	if err != nil || len(packages) != 1 {
		return "", fmt.Errorf("apt-get left %d packages of busybox-static, want one", len(packages))
	}
	unpacked := filepath.Join(work, "busybox")
	if _, err := r.runTool(ctx, work, "dpkg-deb", "-x", packages[0], unpacked); err != nil {
		return "", err
	}
	for _, name := range []string{"bin/busybox", "usr/bin/busybox"} {
		file := filepath.Join(unpacked, name)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
	}
	return "", errors.New("the busybox-static package of Debian has no busybox in it")
}

// runTool runs a command for its effect. It returns the end of its standard error, which is part of the error too.
func (r *resolver) runTool(ctx context.Context, dir, name string, args ...string) (said string, err error) {
	var stderr transcript
	cmd := r.children.command(ctx, dir, name, args...)
	cmd.Stderr = &stderr
	err = run(ctx, cmd)
	said = stderr.quote()
	if err != nil {
		err = outOfSpace(fmt.Errorf("%s %s: %w%s", name, args[len(args)-1], err, said), dir)
	}
	return said, err
}
