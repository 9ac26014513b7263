// Command nomadlab brings up real Nomad clusters on this machine, shows them, and takes them down again.
//
// Each subcommand has a file. It turns arguments into calls of the packages below, and their results into text or JSON.
// The other files hold what subcommands share: arguments, flags, completion, console, progress, terminal, exit codes.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/scenarios"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// A second signal kills this process at once. The watchdog then removes what was started.
	context.AfterFunc(ctx, stop)
	os.Exit(newApp().execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// newApp returns the command with its real engines and scenarios. Tests replace them.
func newApp() *app {
	return &app{
		connect: engines.Open,
		all:     scenarios.All,
		find:    scenarios.Find,
	}
}

// app holds what the subcommands share.
type app struct {
	connect func(context.Context, engines.Kind) (*engines.Set, error)
	all     func() []scenario.Scenario
	find    func(names ...string) ([]scenario.Scenario, error)
	// noColor and engine are the values of the flags --no-color and --engine.
	noColor bool
	engine  string
	// began is true once a subcommand runs. Errors before that are wrong usage.
	began bool
}

// execute runs the command, prints its error, and returns its exit code.
func (a *app) execute(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	root := a.root(args)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.began {
		err = asUsage(cmd, err)
	}
	return printError(ctx, errs, err)
}

func (a *app) root(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "nomadlab",
		Short: "Real Nomad clusters on this machine, up in seconds",
		Long: `nomadlab brings up real Nomad clusters, in Docker or as ordinary processes: servers and
clients, mutual TLS on HTTP and RPC, encrypted gossip. It checks what a cluster lets in, runs
scenarios that prove it, and removes everything again.`,
		Example: `  nomadlab up
  eval "$(nomadlab env)"
  nomad server members
  nomadlab down`,
		Version:       build().Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          a.unknownCommand,
		RunE:          a.do(func(cmd *cobra.Command, _ []string) error { return cmd.Help() }),

		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return flagWithoutValue(cmd, args) },
	}
	root.SetVersionTemplate("nomadlab {{.Version}}\n")
	root.PersistentFlags().BoolVar(&a.noColor, "no-color", false, "print without colour, as with NO_COLOR in the environment")
	root.PersistentFlags().StringVar(&a.engine, "engine", cmp.Or(os.Getenv(engines.Variable), string(engines.Auto)),
		"where labs run: docker, process, or auto: Docker if it answers (also $"+engines.Variable+")")
	mustComplete(root, "engine", fixed(string(engines.Auto), string(engines.Docker), string(engines.Process)))
	root.SetFlagErrorFunc(asUsage)
	root.AddCommand(
		a.upCommand(), a.downCommand(), a.listCommand(), a.statusCommand(), a.startCommand(), a.rotateCommand(), a.upgradeCommand(),
		a.envCommand(), a.nomadCommand(), a.execCommand(), a.logsCommand(),
		a.planCommand(), a.checkCommand(), a.compareCommand(), a.certCommand(), a.diffCommand(), a.rehearseCommand(), a.mutateCommand(), a.lockCommand(), a.runCommand(), a.imageCommand(), a.versionCommand(),
	)
	return root
}

// unknownCommand returns an error for a first argument that is no subcommand, with similar names.
func (a *app) unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += ": did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef(cmd, "%s", text)
}

// flagWithoutValue returns an error if a flag without a value has taken the flag behind it for its value. Args are the
// whole command line.
func flagWithoutValue(cmd *cobra.Command, args []string) error {
	for i, arg := range args[:max(0, len(args)-1)] {
		if arg == "--" {
			return nil
		}
		name, long := strings.CutPrefix(arg, "--")
		flag := cmd.Flag(name)
		if !long || flag == nil || flag.NoOptDefVal != "" || !isFlag(cmd, args[i+1]) {
			continue
		}
		return usagef(cmd, "%s needs a value, and took %s for it: put the value between them", arg, args[i+1])
	}
	return nil
}

// isFlag reports whether a word of the command line is a flag of the command.
func isFlag(cmd *cobra.Command, word string) bool {
	name, long := strings.CutPrefix(word, "--")
	name, _, _ = strings.Cut(name, "=")
	if long {
		return name != "" && cmd.Flag(name) != nil
	}
	short, is := strings.CutPrefix(word, "-")
	return is && len(short) == 1 && cmd.Flags().ShorthandLookup(short) != nil
}

// do wraps a subcommand's function. Its errors are no wrong usage, unless they are a usageError.
func (a *app) do(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.began = true
		return run(cmd, args)
	}
}

// engines connects to the engines that --engine names. The caller closes the set.
func (a *app) engines(ctx context.Context) (*engines.Set, error) {
	return a.connect(ctx, engines.Kind(a.engine))
}

// with wraps a subcommand's function that needs the engines.
func (a *app) with(run func(*cobra.Command, []string, *engines.Set) error) func(*cobra.Command, []string) error {
	return a.do(func(cmd *cobra.Command, args []string) error {
		e, err := a.engines(cmd.Context())
		if err != nil {
			return err
		}
		defer func() { _ = e.Close() }()
		return run(cmd, args, e)
	})
}
