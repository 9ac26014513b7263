package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/pki"
)

func (a *app) envCommand() *cobra.Command {
	var name string
	var unset, asJSON bool
	cmd := &cobra.Command{
		Use:   "env [NAME]",
		Short: "Print the variables that point nomad at a lab",
		Long: `env prints the commands that set NOMAD_ADDR and the rest in your shell, so that your own nomad
command, or anything that uses Nomad's API, talks to the lab. They also unset NOMAD_NAMESPACE and
the others that Nomad's API reads: what was meant for another cluster would be sent to the lab, or
keep its certificates from being checked. NOMAD_TOKEN is set for a lab with ACLs, to its management
token, and unset for all others. --unset unsets all of them.`,
		Example: `  eval "$(nomadlab env)"
  nomadlab env demo --shell fish | source
  eval "$(nomadlab env --unset)"`,
		ValidArgsFunction: a.completeLab(),
		Args:              optionalName,
		RunE: a.do(func(cmd *cobra.Command, args []string) error {
			sh, err := shellNamed(cmd, name)
			if err != nil {
				return err
			}
			out := a.console(cmd).out
			if unset {
				out.printf("%s", sh.unset(append(names(variables(nil, "")), foreign(nil)...)...))
				return nil
			}
			return a.env(cmd, first(args), out, sh, asJSON)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&name, "shell", "", "bash (also for zsh and sh) or fish (default from $SHELL)")
	flags.BoolVar(&unset, "unset", false, "print the commands that unset the variables")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	mustComplete(cmd, "shell", fixed("bash", "fish"))
	return cmd
}

func (a *app) env(cmd *cobra.Command, given string, out stream, sh shell, asJSON bool) error {
	e, err := a.engines(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	vars, name, err := environment(cmd, e, given)
	if err != nil {
		return err
	}
	if asJSON {
		object := map[string]string{}
		for _, v := range vars {
			object[v.name] = v.value
		}
		return out.json(object)
	}
	for _, v := range vars {
		out.printf("%s", sh.set(v.name, v.value))
	}
	out.printf("%s", sh.unset(foreign(vars)...))
	if out.terminal {
		out.printf("%s", out.faint("# to set them: "+sh.use(invoked(os.Args[0]), name)))
	}
	return nil
}

func environment(cmd *cobra.Command, e *engines.Set, given string) ([]variable, string, error) {
	l, err := open(cmd, e, given)
	if err != nil {
		return nil, "", err
	}
	address, err := frontDoor(cmd.Context(), l)
	return variables(l, address), l.Name(), err
}

// frontDoor is the HTTP address of the leader, or of any server that runs while there is no leader.
func frontDoor(ctx context.Context, l *lab.Lab) (string, error) {
	servers := l.Servers()
	if leader, err := l.Leader(ctx, ""); err == nil {
		servers = []*lab.Node{leader}
	}
	for _, n := range servers {
		if c, err := n.API(); err == nil {
			return c.Address(), nil
		}
	}
	return "", fmt.Errorf("no server of lab %s runs: `nomadlab start %s` starts them", l.Name(), l.Name())
}

// variable is one of Nomad's environment variables.
type variable struct{ name, value string }

// variables are those that lead nomad to the lab. For no lab, the values are empty.
func variables(l *lab.Lab, address string) []variable {
	var folder string
	var id pki.Identity
	if l != nil {
		folder, id = l.TLSFolder(), l.Credential().Identity
	}
	vars := []variable{
		{"NOMAD_ADDR", address},
		{"NOMAD_REGION", id.Region},
		{"NOMAD_CACERT", filepath.Join(folder, pki.CAFile)},
		{"NOMAD_CLIENT_CERT", filepath.Join(folder, id.CertFile())},
		{"NOMAD_CLIENT_KEY", filepath.Join(folder, id.KeyFile())},
	}
	if l != nil && l.ManagementToken() != "" {
		vars = append(vars, variable{token, l.ManagementToken()})
	}
	return vars
}

func names(vars []variable) []string {
	out := make([]string, 0, len(vars))
	for _, v := range vars {
		out = append(out, v.name)
	}
	return out
}

// token is the variable that only a lab with ACLs has a value for.
const token = "NOMAD_TOKEN"

// foreign are the other variables that api.DefaultConfig of Nomad's Go API reads, but for those that are set. The lab has
// no use for any of them, and one that is left from a production cluster does harm here: its token would be sent to the
// lab, its server name or NOMAD_SKIP_VERIFY would spoil the TLS.
func foreign(set []variable) []string {
	all := []string{token, "NOMAD_NAMESPACE", "NOMAD_HTTP_AUTH", "NOMAD_CAPATH", "NOMAD_TLS_SERVER_NAME", "NOMAD_SKIP_VERIFY"}
	return slices.DeleteFunc(all, func(name string) bool { return slices.Contains(names(set), name) })
}

// envLine is how a person uses `env` for that lab in the shell that they have.
func envLine(self, name string) string { return shellOf(os.Getenv("SHELL")).use(self, name) }

// invoked is how a person can call this program again: as nomadlab where the shell finds this very file by that name.
func invoked(as string) string {
	found, err := exec.LookPath("nomadlab")
	if err != nil {
		return as
	}
	ours, err := os.Executable()
	if err != nil {
		return as
	}
	a, errA := os.Stat(found)
	b, errB := os.Stat(ours)
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return "nomadlab"
	}
	return as
}

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
