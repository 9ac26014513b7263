package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
)

func (a *app) logsCommand() *cobra.Command {
	var name string
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs [NAME] [NODE…]",
		Short: "Show the agents' logs",
		Long: `logs shows the agents' logs: of all nodes of a lab, or of the named ones. Lines of several nodes
are in the order of time, each with its node's name.`,
		Example: `  nomadlab logs
  nomadlab logs demo server-1 server-2
  nomadlab logs --follow`,
		ValidArgsFunction: a.completeNodes(anyNumber),
		RunE: a.with(func(cmd *cobra.Command, args []string, e *engines.Set) error {
			nodes, err := a.nodesFor(cmd, e, name, args)
			if err != nil {
				return err
			}
			c := a.console(cmd)
			if follow {
				return c.followLogs(cmd.Context(), nodes)
			}
			return c.printLogs(cmd.Context(), nodes)
		}),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted")
	addLabFlag(cmd, &name, a)
	return cmd
}

// nodesFor returns the named nodes of the lab, or all its nodes. The first argument may name the lab, unless --lab does.
func (a *app) nodesFor(cmd *cobra.Command, e *engines.Set, name string, args []string) ([]*lab.Node, error) {
	labs, err := labNames(cmd.Context(), e)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name, args = labAndNodes(labs, args)
	}
	l, err := open(cmd, e, name)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return l.Nodes(), nil
	}
	nodes := make([]*lab.Node, 0, len(args))
	for _, arg := range args {
		n, err := l.Node(arg)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// logSource is one node's log, line by line.
type logSource struct {
	// prefix stands in front of each line.
	prefix string
	closer io.Closer
	lines  *bufio.Reader
	// line is the next line, with its prefix, and stamp its time. A line without a time has that of the line before it.
	line, stamp string
}

// openLogs opens the nodes' logs. With several nodes, each line has the node's name as prefix, in a colour of its own.
func (s stream) openLogs(ctx context.Context, nodes []*lab.Node, follow bool) (sources []*logSource, stop func(), err error) {
	stop = func() {
		for _, l := range sources {
			_ = l.closer.Close()
		}
	}
	widest := 0
	for _, n := range nodes {
		widest = max(widest, len(n.Name()))
	}
	for i, n := range nodes {
		logs, err := n.Logs(ctx, follow)
		if err != nil {
			stop()
			return nil, func() {}, err
		}
		source := &logSource{closer: logs, lines: bufio.NewReader(logs)}
		if len(nodes) > 1 {
			source.prefix = s.paint(fmt.Sprintf("%-*s | ", widest, n.Name()), nodeColour(i))
		}
		sources = append(sources, source)
	}
	return sources, stop, nil
}

// nodeColour returns the i-th node's colour. Red is left out, because it means trouble.
func nodeColour(i int) text.Color {
	colours := []text.Color{text.FgCyan, text.FgGreen, text.FgYellow, text.FgMagenta, text.FgBlue, text.FgHiCyan, text.FgHiGreen, text.FgHiYellow}
	return colours[i%len(colours)]
}

// next reads the next line and reports whether there is one.
func (l *logSource) next() (bool, error) {
	line, err := l.lines.ReadString('\n')
	if line == "" {
		if err == io.EOF {
			err = nil
		}
		return false, err
	}
	l.line = strings.TrimRight(l.prefix+strings.TrimRight(line, "\r\n"), " ")
	if stamp := strings.TrimSpace(line); len(stamp) >= stampSize && stamp[4] == '-' && stamp[10] == 'T' {
		l.stamp = stamp[:stampSize]
	}
	return true, nil
}

// stampSize is the length of the time at the beginning of a line of Nomad's log ("2006-01-02T15:04:05.000Z"), without its
// zone. The texts of such times sort as the times do.
const stampSize = len("2006-01-02T15:04:05.000")

// printLogs prints the nodes' logs in the order of time.
func (c console) printLogs(ctx context.Context, nodes []*lab.Node) error {
	sources, stop, err := c.out.openLogs(ctx, nodes, false)
	if err != nil {
		return err
	}
	defer stop()
	return c.out.merge(sources)
}

// merge prints the sources' lines, always the earliest next.
func (s stream) merge(sources []*logSource) error {
	// waiting are the sources that have a next line; advance reads it, or removes a source that is at its end.
	waiting := slices.Clone(sources)
	advance := func(l *logSource) error {
		more, err := l.next()
		if err != nil {
			return fmt.Errorf("read a log: %w", err)
		}
		if !more {
			waiting = slices.DeleteFunc(waiting, func(other *logSource) bool { return other == l })
		}
		return nil
	}
	for _, l := range sources {
		if err := advance(l); err != nil {
			return err
		}
	}
	for len(waiting) > 0 {
		earliest := slices.MinFunc(waiting, func(a, b *logSource) int { return strings.Compare(a.stamp, b.stamp) })
		if _, err := fmt.Fprintln(s, earliest.line); err != nil {
			return err
		}
		if err := advance(earliest); err != nil {
			return err
		}
	}
	return nil
}

// followLogs prints new lines until the nodes end or the user interrupts, which is no error.
func (c console) followLogs(ctx context.Context, nodes []*lab.Node) error {
	sources, stop, err := c.out.openLogs(ctx, nodes, true)
	if err != nil {
		return err
	}
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	var mu sync.Mutex
	var g errgroup.Group
	for _, l := range sources {
		g.Go(func() error {
			for {
				more, err := l.next()
				if !more || ctx.Err() != nil {
					return err
				}
				mu.Lock()
				_, err = fmt.Fprintln(c.out, l.line)
				mu.Unlock()
				if err != nil {
					return err
				}
			}
		})
	}
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("follow the logs: %w", err)
	}
	return nil
}
