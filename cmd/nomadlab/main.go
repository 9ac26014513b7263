// Command nomadlab brings up real Nomad clusters on this machine, shows them, and takes them down again.
//
// There is one file for each subcommand. None of them has logic of its own: they turn arguments into calls of package
// lab, and what comes back into text or JSON.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/scenarios"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on, the second one kills at once: the watchdog then removes what was started.
	context.AfterFunc(ctx, stop)
	os.Exit(newApp().execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// newApp is the command as it is used; tests put other parts into it.
func newApp() *app {
	return &app{
		connect: engines.Open,
		all:     scenarios.All,
		find:    scenarios.Find,
	}
}
