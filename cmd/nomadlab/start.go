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
		Short: "Start a lab that was stopped, for example by a reboot",
		Long: `start starts the stopped nodes of a lab, resumes the paused ones, and waits until the lab is
ready. Data, keys and certificates do not change; in Docker, the ports on 127.0.0.1 are new. If
the lab is not ready at the end, start shows why, and exits with 1.`,
		Example: `  nomadlab start
  nomadlab start demo`,
		ValidArgsFunction: a.completeLabs(1),
		Args:              optionalName,
		RunE: a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error {
			if err := positive(cmd, timeout); err != nil {
				return err
			}
			return a.start(cmd, args, e, timeout)
		}),
	}
	cmd.Flags().DurationVar(&timeout, "timeout", deadline.Start, "limit for the start")
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
		return &exitError{code: exitFailed} // the status says why
	}
	return fmt.Errorf("lab %s did not get ready: %w", l.Name(), err)
}
