// Command bench measures how fast clusters come up: those of this project's engines, beside those of plain scripts.
//
// It is run from the top of the repository: make bench.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on, the second one kills at once: what runs is then removed by the watchdogs and the scripts.
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
