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
		Long: `logs shows what the agents of a lab have written: of all nodes, or of those that are named.
Lines of several nodes are in the order of their time, each with its node in front.`,
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

// anyNumber of nodes may be completed.
const anyNumber = 1 << 16

// nodesFor tells the lab's name from names of nodes: the first argument is a lab if there is one of that name.
func (a *app) nodesFor(cmd *cobra.Command, e *engines.Set, name string, args []string) ([]*lab.Node, error) {
	labs, err := labNames(cmd.Context(), e)
	if err != nil {
		return nil, err
	}
	if name == "" && len(args) > 0 && slices.Contains(labs, args[0]) {
		name, args = args[0], args[1:]
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
	// head is the next line, and stamp its time. A line without a time belongs to the one before it.
	head, stamp string
}

// openLogs opens the nodes' logs. With several nodes each gets its name in front, in a colour of its own.
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

// nodeColour leaves out red, which means trouble.
func nodeColour(i int) text.Color {
	colours := []text.Color{text.FgCyan, text.FgGreen, text.FgYellow, text.FgMagenta, text.FgBlue, text.FgHiCyan, text.FgHiGreen, text.FgHiYellow}
	return colours[i%len(colours)]
}

// next moves on to the next line and says whether there is one.
func (l *logSource) next() (bool, error) {
	line, err := l.lines.ReadString('\n')
	if line == "" {
		if err == io.EOF {
			err = nil
		}
		return false, err
	}
	l.head = strings.TrimRight(line, "\r\n")
	if stamp := strings.TrimSpace(l.head); len(stamp) >= stampSize && stamp[4] == '-' && stamp[10] == 'T' {
		l.stamp = stamp[:stampSize]
	}
	return true, nil
}

// line is the line as it is shown.
func (l *logSource) line() string { return strings.TrimRight(l.prefix+l.head, " ") }

// stampSize is the length of the time that agents put in front of a line, to the second at least: such times are in
// order when their texts are ("2006-01-02T15:04:05.000Z").
const stampSize = len("2006-01-02T15:04:05.000")

// printLogs prints what the nodes have written, in the order of time.
func (c console) printLogs(ctx context.Context, nodes []*lab.Node) error {
	sources, stop, err := c.out.openLogs(ctx, nodes, false)
	if err != nil {
		return err
	}
	defer stop()
	return c.out.merge(sources)
}

func (s stream) merge(sources []*logSource) error {
	var waiting []*logSource
	for _, l := range sources {
		more, err := l.next()
		if err != nil {
			return fmt.Errorf("read a log: %w", err)
		}
		if more {
			waiting = append(waiting, l)
		}
	}
	for len(waiting) > 0 {
		first := 0
		for i, l := range waiting {
			if l.stamp < waiting[first].stamp {
				first = i
			}
		}
		l := waiting[first]
		if _, err := fmt.Fprintln(s, l.line()); err != nil {
			return err
		}
		more, err := l.next()
		if err != nil {
			return fmt.Errorf("read a log: %w", err)
		}
		if !more {
			waiting = append(waiting[:first], waiting[first+1:]...)
		}
	}
	return nil
}

// followLogs prints lines as they come, until the nodes end or the user interrupts, which is no failure.
func (c console) followLogs(ctx context.Context, nodes []*lab.Node) error {
	sources, stop, err := c.out.openLogs(ctx, nodes, true)
	if err != nil {
		return err
	}
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	var line sync.Mutex
	var g errgroup.Group
	for _, l := range sources {
		g.Go(func() error {
			for {
				more, err := l.next()
				if !more || ctx.Err() != nil {
					return err
				}
				line.Lock()
				_, err = fmt.Fprintln(c.out, l.line())
				line.Unlock()
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
