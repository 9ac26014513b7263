package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/engine/engines"
)

func (a *app) startCommand() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "start [NAME]",
		Short: "Start a lab that was stopped, as by a reboot",
		Long: `start starts the nodes of a lab that do not run, resumes those that are paused, and waits until
the lab is ready. Its data, keys and certificates are what they were; in Docker, the ports on
127.0.0.1 are new. When the lab is not ready at the end, it shows why, and exits with 1.`,
		Example: `  nomadlab start
  nomadlab start demo`,
		ValidArgsFunction: a.completeLab(),
		Args:              optionalName,
		RunE: a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error {
			if timeout <= 0 {
				return usagef(cmd, "--timeout is %s: use a positive duration such as 90s", timeout)
			}
			return a.start(cmd, args, e, timeout)
		}),
	}
	cmd.Flags().DurationVar(&timeout, "timeout", deadline.Start, "how long the start may take")
	return cmd
}

func (a *app) start(cmd *cobra.Command, args []string, e *engines.Set, timeout time.Duration) error {
	l, err := open(cmd, e, first(args))
	if err != nil {
		return err
	}
	c, p := a.console(cmd), newProgress(a.stream(cmd.ErrOrStderr()))
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	p.doing("start", "starting lab "+l.Name())
	err = l.Restart(ctx)
	p.stop()
	if cmd.Context().Err() != nil {
		return fmt.Errorf("start lab %s: %w", l.Name(), err)
	}
	status := l.Status(cmd.Context())
	if err == nil && status.Ready {
		c.closing(status, "is ready in "+brief(p.elapsed()))
		return nil
	}
	c.status(status)
	if err == nil {
		return &exitError{code: exitFailed} // the status has said why
	}
	return fmt.Errorf("lab %s did not get ready: %w", l.Name(), err)
}
