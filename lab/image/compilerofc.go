package image

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"nomadlab.internal/internal/deadline"
)

// checkC returns ErrNoC if the recipe compiles C and this machine cannot: the build would find that out after minutes. It links an
// empty program as the build links its own, without shared libraries.
func (w *builder) checkC(ctx context.Context, t target, tools goTools, work string) error {
	if !t.recipe.needsC() {
		return nil
	}
	refuse := func(because string) error {
		return fmt.Errorf("%w: %s is built with cgo, and so with a C compiler and the static C library: %s: install them "+
			"(on Debian and Ubuntu: apt-get install gcc libc6-dev), or %s", ErrNoC, t.recipe.title(), because, w.alternative)
	}
	if t.platform != thisMachine() {
		return refuse(fmt.Sprintf("the program is for %s/%s, and those of this machine make programs for %s/%s",
			t.platform.os, t.platform.arch, thisMachine().os, thisMachine().arch))
	}
	compiler := strings.Fields(tools.cc)
	if len(compiler) == 0 {
		return refuse("go names no compiler (go env CC)")
	}
	path, err := exec.LookPath(compiler[0])
	if err != nil {
		return refuse("there is no " + compiler[0] + " in PATH")
	}
	source, program := filepath.Join(work, "empty.c"), filepath.Join(work, "empty")
	if err := os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o600); err != nil {
		return fmt.Errorf("try the C compiler: %w", outOfSpace(err, work))
	}
	asking, cancel := deadline.Fair(ctx, w.children.timeout)
	defer cancel()
	var stderr transcript
	cmd := w.children.command(asking, work, path, append(compiler[1:], "-static", "-o", program, source)...)
	cmd.Env = append(cmd.Env, "TMPDIR="+work)
	cmd.Stderr = &stderr
	if err := run(asking, cmd); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("try the C compiler: %w", ctx.Err())
		}
		return refuse(fmt.Sprintf("%s cannot make an empty program: %v%s", path, err, stderr.quote()))
	}
	return nil
}
