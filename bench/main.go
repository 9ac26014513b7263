// Command bench measures how fast clusters come up: those of this project's engines beside those of plain scripts.
//
// It is run from the top of the repository: make bench.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal, a second one kills at once: the watchdogs and the scripts then remove what runs.
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// settings holds the values of the flags.
type settings struct {
	rounds, sizeRounds, sourceRounds int
	sizes                            []int
	contestants, engines, sources    []string
	nomad                            string
	out, docs                        string
	timeout                          time.Duration
}

// Exit codes, the same as those of the nomadlab command.
const (
	exitFailed      = 1
	exitInterrupted = 130
)

// execute runs the command and returns its exit code.
func execute(ctx context.Context, args []string, out, errs io.Writer) int {
	cmd := command()
	cmd.SetArgs(args)
	cmd.SetOut(out)
	cmd.SetErr(errs)
	err := cmd.ExecuteContext(ctx)
	switch {
	case ctx.Err() != nil:
		_, _ = fmt.Fprintln(errs, "bench: interrupted: everything was removed")
		if err != nil && !errors.Is(err, context.Canceled) {
			_, _ = fmt.Fprintln(errs, "bench:", err)
		}
		return exitInterrupted
	case err != nil:
		_, _ = fmt.Fprintln(errs, "bench:", err)
		return exitFailed
	}
	return 0
}

func command() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure how fast clusters come up, beside plain scripts",
		Long: `bench brings up clusters of three servers and two clients in several ways, one after the
other, round by round, and watches all of them from outside with the same code. Then it
brings up those whose certificates come from elsewhere, and larger and larger ones. It
builds no Vault: without one, its labs are left out. It prints every measurement in Go's benchmark format,
which benchstat reads, and tables of them. docs/performance.md says what is measured, and how.`,
		Example: `  go run ./bench
  go run ./bench --rounds 3 --sizes 1,5 --contestants docker-by-hand,docker
  go run ./bench --docs docs
  benchstat -filter .name:Round -col /by .bin/bench/results.txt`,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.validate(); err != nil {
				return err
			}
			return run(cmd.Context(), s, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&s.rounds, "rounds", 10, "rounds of three servers and two clients; 0 leaves them out")
	flags.IntSliceVar(&s.sizes, "sizes", []int{1, 5, 15, 40, 100}, "numbers of clients to try")
	flags.IntVar(&s.sizeRounds, "size-rounds", 2, "how often each size is tried; 0 leaves them out")
	flags.StringSliceVar(&s.contestants, "contestants", names(contestant.inRounds), "what takes part in the rounds")
	flags.StringSliceVar(&s.engines, "engines", names(contestant.isEngine), "engines that the sizes are tried on")
	flags.IntVar(&s.sourceRounds, "source-rounds", 5, "rounds of labs with other sources of certificates, each beside the engine's own; 0 leaves them out")
	flags.StringSliceVar(&s.sources, "sources", names(contestant.isSource), "what takes part in those rounds")
	flags.StringVar(&s.nomad, "nomad", "", "path of a static nomad binary for Linux (default: one is found or built)")
	flags.StringVar(&s.out, "out", ".bin/bench", "folder for results.txt and results.md")
	flags.StringVar(&s.docs, "docs", "", "folder with the performance.md that is to get the new numbers")
	flags.DurationVar(&s.timeout, "timeout", 5*time.Minute, "how long one cluster may take to come up")
	return cmd
}

func (s settings) validate() error {
	switch {
	case s.rounds < 0 || s.sizeRounds < 0 || s.sourceRounds < 0:
		return fmt.Errorf("--rounds is %d, --size-rounds %d and --source-rounds %d: use 0 or more", s.rounds, s.sizeRounds, s.sourceRounds)
	case s.timeout <= 0:
		return fmt.Errorf("--timeout is %s: use a positive duration such as 90s", s.timeout)
	case slices.ContainsFunc(s.sizes, func(n int) bool { return n < 0 }):
		return fmt.Errorf("--sizes is %v: a cluster cannot have fewer than no clients", s.sizes)
	}
	return errors.Join(
		known("--contestants", s.contestants, names(contestant.inRounds)),
		known("--engines", s.engines, names(contestant.isEngine)),
		known("--sources", s.sources, names(contestant.isSource)))
}

func known(flag string, given, there []string) error {
	for _, name := range given {
		if !slices.Contains(there, name) {
			return fmt.Errorf("%s has %q, which is none of %s", flag, name, strings.Join(there, ", "))
		}
	}
	return nil
}
