package image

import (
	"context"
	"encoding/json"
	"fmt"
	"go/version"
	"os/exec"
	"strings"

	"nomadlab.internal/internal/deadline"
)

// goTools is the Go toolchain of this machine.
type goTools struct {
	path    string
	flags   string // GOFLAGS as the user has set them
	cache   string // build cache
	modules string // module cache
	cc      string // C compiler, with its arguments
}

// findGo returns the toolchain. It returns ErrNoGo if that is older than the needed version, such as "go1.26".
func (w *builder) findGo(ctx context.Context, needed string) (goTools, error) {
	mend := "install Go from https://go.dev/dl, or " + w.alternative
	path, err := exec.LookPath("go")
	if err != nil {
		return goTools{}, fmt.Errorf("%w: there is no go in PATH, and %s or newer is needed: %s", ErrNoGo, needed, mend)
	}
	asking, cancel := deadline.Fair(ctx, w.children.timeout)
	defer cancel()
	cmd := w.children.command(asking, w.cache, path, "env", "-json", "GOVERSION", "GOFLAGS", "GOCACHE", "GOMODCACHE", "CC")
	cmd.Env = append(cmd.Env, "GOTOOLCHAIN=local", "GOWORK=off")
	var out strings.Builder
	var stderr transcript
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := run(asking, cmd); err != nil {
		if ctx.Err() != nil {
			return goTools{}, fmt.Errorf("ask go for its version: %w", ctx.Err())
		}
		return goTools{}, fmt.Errorf("%w: %s cannot be asked for its version: %w%s", ErrNoGo, path, err, stderr.quote())
	}
	var env struct{ GOVERSION, GOFLAGS, GOCACHE, GOMODCACHE, CC string }
	if err := json.Unmarshal([]byte(out.String()), &env); err != nil {
		return goTools{}, fmt.Errorf("%w: %s answers what is not JSON: %w", ErrNoGo, path, err)
	}
	found, _, _ := strings.Cut(env.GOVERSION, " ")
	// A development version ("devel go1.27-…") cannot be compared; it is taken to be new.
	if version.IsValid(found) && version.Compare(found, needed) < 0 {
		return goTools{}, fmt.Errorf("%w: %s is %s, and %s or newer is needed (no other is downloaded, as GOTOOLCHAIN=local is set for the build): %s",
			ErrNoGo, path, found, needed, mend)
	}
	return goTools{path: path, flags: env.GOFLAGS, cache: env.GOCACHE, modules: env.GOMODCACHE, cc: env.CC}, nil
}

// environment returns variables that replace those of the user that could change what is built.
func (g goTools) environment() []string {
	return []string{
		"GOFLAGS=" + cleanFlags(g.flags),
		"GOWORK=off",
		"GO111MODULE=on",
		"GOTOOLCHAIN=local", // nothing is downloaded that was not asked for
	}
}

// cleanFlags returns those of the user's GOFLAGS that do not change the result: a -tags, -mod, -race or -ldflags meant for
// another build would break this one. It is never empty, because go would then read GOFLAGS from its configuration file.
func cleanFlags(flags string) string {
	kept := []string{"-mod=readonly", "-buildvcs=false"}
	for flag := range strings.FieldsSeq(flags) {
		name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "=")
		if name == "modcacherw" || name == "p" {
			kept = append(kept, flag)
		}
	}
	return strings.Join(kept, " ")
}
