package main

import (
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"
)

// shell knows how a kind of shell sets variables. The zero value is bash, and all that understand what bash does.
type shell string

const (
	bash shell = ""
	fish shell = "fish"
)

// shellOf is the shell with that path, as it stands in $SHELL.
func shellOf(at string) shell {
	if path.Base(at) == "fish" {
		return fish
	}
	return bash
}

func shellNamed(cmd *cobra.Command, name string) (shell, error) {
	switch name {
	case "":
		return shellOf(os.Getenv("SHELL")), nil
	case "bash", "zsh", "sh":
		return bash, nil
	case "fish":
		return fish, nil
	default:
		return bash, usagef(cmd, "--shell is %q: use bash (also for zsh and sh) or fish", name)
	}
}

func (s shell) set(name, value string) string {
	if s == fish {
		return "set -gx " + name + " " + s.quote(value)
	}
	return "export " + name + "=" + s.quote(value)
}

func (s shell) unset(names ...string) string {
	if s == fish {
		return "set -e " + strings.Join(names, " ")
	}
	return "unset " + strings.Join(names, " ")
}

// use is the line that makes the shell take over what `nomadlab env` prints.
func (s shell) use(self, name string) string {
	if s == fish {
		return self + " env " + name + " | source"
	}
	return `eval "$(` + self + ` env ` + name + `)"`
}

// quote makes one word of any value. In single quotes, bash takes everything as it is; fish takes a backslash before a
// quote or a backslash for an escape.
func (s shell) quote(value string) string {
	if s == fish {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
