// Command moduleproxy writes the commit that is checked out as a Go module proxy in a folder, so that `go get` takes this
// module before it is published anywhere. `make module` runs it and says how to use what it has written.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: moduleproxy FOLDER, in the root of a checkout of the module")
		os.Exit(2)
	}
	version, err := write(context.Background(), ".", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "moduleproxy:", err)
		os.Exit(1)
	}
	_, _ = fmt.Fprintln(os.Stdout, version) // the exit code says that the proxy is written
}

// write writes the commit that is checked out in the root below the folder, and returns its pseudo-version. What is not
// committed is left out: go keeps what it has of a version, so that one version must have one content. The error says
// what failed: reading the commit or writing a file.
func write(ctx context.Context, root, folder string) (version string, err error) {
	commit, at, err := head(ctx, root)
	if err != nil {
		return "", err
	}
	goMod, err := git(ctx, root, "show", commit+":go.mod")
	if err != nil {
		return "", err
	}
	m := module.Version{Path: modfile.ModulePath([]byte(goMod)), Version: module.PseudoVersion("v0", "", at, commit[:12])}
	info, err := json.Marshal(struct {
		Version string
		Time    time.Time
	}{m.Version, at})
	if err != nil {
		return "", fmt.Errorf("describe %s: %w", m, err)
	}
	versions := filepath.Join(folder, filepath.FromSlash(m.Path), "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		return "", fmt.Errorf("make the proxy's folder: %w", err)
	}
	if err := writeZip(ctx, filepath.Join(versions, m.Version+".zip"), m, root, commit); err != nil {
		return "", err
	}
	// The list comes last: go looks there first, and finds no version that is not whole.
	for _, f := range []struct{ name, content string }{
		{m.Version + ".info", string(info)}, {m.Version + ".mod", goMod}, {"list", m.Version + "\n"},
	} {
		if err := os.WriteFile(filepath.Join(versions, f.name), []byte(f.content), 0o600); err != nil {
			return "", fmt.Errorf("write the proxy: %w", err)
		}
	}
	return m.Version, nil
}

// head returns the hash and the time of the commit that is checked out.
func head(ctx context.Context, root string) (commit string, at time.Time, err error) {
	out, err := git(ctx, root, "log", "-1", "--format=%H %ct")
	if err != nil {
		return "", time.Time{}, err
	}
	var seconds int64
	if _, err := fmt.Sscan(out, &commit, &seconds); err != nil {
		return "", time.Time{}, fmt.Errorf("read the commit %q: %w", out, err)
	}
	return commit, time.Unix(seconds, 0).UTC(), nil
}

// writeZip writes the commit in the form of a module proxy. On an error nothing is left at the path. It reads a clone,
// because package zip does not take a worktree for a checkout.
func writeZip(ctx context.Context, path string, m module.Version, root, commit string) (err error) {
	clone, err := os.MkdirTemp("", "moduleproxy-")
	if err != nil {
		return fmt.Errorf("write the module's zip: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(clone)) }()
	from, err := filepath.Abs(root)
	if err != nil {
		return fmt.Errorf("write the module's zip: %w", err)
	}
	if _, err := git(ctx, root, "clone", "--quiet", "--depth", "1", "file://"+from, clone); err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the module's zip: %w", err)
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if err := zip.CreateFromVCS(out, m, clone, commit, ""); err != nil {
		return fmt.Errorf("write the module's zip: %w", err)
	}
	return nil
}

// git returns what git prints in the root.
func git(ctx context.Context, root string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...)
	out, err := cmd.Output()
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(failed.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("git %s in %s: %w", strings.Join(args, " "), root, err)
	}
	return string(out), nil
}
