package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
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
		Short: "Print the environment variables with which nomad calls a lab",
		Long: `env prints commands for your shell. They set NOMAD_ADDR and other variables, so that your own
nomad command and other users of Nomad's API call the lab. They unset the remaining variables that
Nomad's API reads, such as NOMAD_NAMESPACE: a value for another cluster would be sent to the lab,
or would keep its certificates from being verified. NOMAD_TOKEN is set to the management token of
a lab with ACLs, and unset for other labs. --unset unsets all of them.`,
		Example: `  eval "$(nomadlab env)"
  nomadlab env demo --shell fish | source
  eval "$(nomadlab env --unset)"`,
		ValidArgsFunction: a.completeLabs(1),
		Args:              optionalName,
		RunE: a.do(func(cmd *cobra.Command, args []string) error {
			sh, err := shellNamed(cmd, name)
			if err != nil {
				return err
			}
			out := a.console(cmd).out
			if unset {
				out.printf("%s", sh.unset(apiVariables()...))
				return nil
			}
			return a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error {
				return a.env(cmd, e, first(args), out, sh, asJSON)
			})(cmd, args)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&name, "shell", "", "bash (also for zsh and sh) or fish (default from $SHELL)")
	flags.BoolVar(&unset, "unset", false, "print the commands that unset the variables")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	mustComplete(cmd, "shell", fixed("bash", "fish"))
	return cmd
}

func (a *app) env(cmd *cobra.Command, e *engines.Set, given string, out stream, sh shell, asJSON bool) error {
	l, err := open(cmd, e, given)
	if err != nil {
		return err
	}
	address, err := httpAddress(cmd.Context(), l)
	if err != nil {
		return err
	}
	vars := variables(l, address)
	if asJSON {
		return out.json(vars)
	}
	var others []string
	for _, name := range apiVariables() {
		if value, is := vars[name]; is {
			out.printf("%s", sh.set(name, value))
		} else {
			others = append(others, name)
		}
	}
	out.printf("%s", sh.unset(others...))
	if out.terminal {
		out.printf("%s", out.faint("# to set them: "+sh.use(invoked(os.Args[0]), l.Name())))
	}
	return nil
}

// httpAddress returns the HTTP address of the leader, or of a running server if there is no leader.
func httpAddress(ctx context.Context, l *lab.Lab) (string, error) {
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

// token is the variable that only a lab with ACLs has a value for.
const token = "NOMAD_TOKEN"

// apiVariables are the variables that api.DefaultConfig of Nomad's Go API reads. Those without a value of the lab must be
// unset: a token that is left from a production cluster would be sent to the lab, and a server name or NOMAD_SKIP_VERIFY
// would change how TLS verifies the lab.
func apiVariables() []string {
	return []string{
		"NOMAD_ADDR", "NOMAD_REGION", "NOMAD_CACERT", "NOMAD_CLIENT_CERT", "NOMAD_CLIENT_KEY",
		token, "NOMAD_NAMESPACE", "NOMAD_HTTP_AUTH", "NOMAD_CAPATH", "NOMAD_TLS_SERVER_NAME", "NOMAD_SKIP_VERIFY",
	}
}

// variables returns the values with which nomad calls the lab, by name.
func variables(l *lab.Lab, address string) map[string]string {
	folder, id := l.TLSFolder(), l.Credential().Identity
	vars := map[string]string{
		"NOMAD_ADDR":        address,
		"NOMAD_REGION":      id.Region,
		"NOMAD_CACERT":      filepath.Join(folder, pki.CAFile),
		"NOMAD_CLIENT_CERT": filepath.Join(folder, id.CertFile()),
		"NOMAD_CLIENT_KEY":  filepath.Join(folder, id.KeyFile()),
	}
	if l.ManagementToken() != "" {
		vars[token] = l.ManagementToken()
	}
	return vars
}

// envLine returns the line that uses `env` for the lab in the user's shell.
func envLine(self, name string) string { return shellOf(os.Getenv("SHELL")).use(self, name) }

// invoked returns how to call this program again: as nomadlab if the shell finds this very file by that name.
func invoked(as string) string {
	found, _ := exec.LookPath("nomadlab")
	ours, _ := os.Executable()
	a, _ := os.Stat(found)
	b, _ := os.Stat(ours)
	if os.SameFile(a, b) { // never true for a file that does not exist
		return "nomadlab"
	}
	return as
}

// shell knows how a kind of shell sets variables. The zero value is bash and shells with bash's syntax.
type shell string

const (
	bash shell = ""
	fish shell = "fish"
)

// shellOf returns the shell with the path that $SHELL has.
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

// use returns the line with which the shell runs what `nomadlab env` prints.
func (s shell) use(self, name string) string {
	if s == fish {
		return self + " env " + name + " | source"
	}
	return `eval "$(` + self + ` env ` + name + `)"`
}

// quote makes one word of any value. In single quotes, bash takes every character as it is; fish takes a backslash before
// a quote or a backslash for an escape.
func (s shell) quote(value string) string {
	if s == fish {
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
