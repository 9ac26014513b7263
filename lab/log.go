package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"nomadlab.internal/internal/deadline"
)

// logCopy copies a node's log to disk while the node runs, so that the log outlives the node.
type logCopy struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// LogFile returns the file to which this process copies the node's log, from the first line on. The file exists only for a
// lab that this process brought up, until Keep or Down.
func (n *Node) LogFile() string { return n.lab.folder.LogFile(n.plan().Name) }

// copyLog starts a new copy. At every start of the node the engine returns the log of all starts, from the first line.
func (n *Node) copyLog() error {
	if !n.lab.watched() {
		return nil
	}
	n.stopLog()
	file, err := os.OpenFile(n.LogFile(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep the log of %s: %w", n.ref(), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &logCopy{cancel: cancel, done: make(chan struct{})}
	n.mu.Lock()
	n.log = c
	n.mu.Unlock()
	go func() {
		defer close(c.done)
		defer func() { _ = file.Close() }()
		logs, err := n.Logs(ctx, true)
		if err != nil {
			_, _ = fmt.Fprintln(file, err)
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = logs.Close() })
		defer stop()
		_, _ = io.Copy(file, logs)
	}()
	return nil
}

func (n *Node) stopLog() {
	n.mu.Lock()
	c := n.log
	n.log = nil
	n.mu.Unlock()
	if c != nil {
		c.cancel()
		<-c.done
	}
}

// LogView reads a node's log. Positions are bytes from the first line of the first start.
type LogView struct{ node *Node }

// Log returns a view of the node's log.
func (n *Node) Log() LogView { return LogView{n} }

// Mark returns the position of the log's end.
func (v LogView) Mark() (int64, error) {
	text, err := v.read(context.Background())
	return int64(len(text)), err
}

// Since returns the lines that came after the mark, oldest first.
func (v LogView) Since(mark int64) ([]string, error) { return v.since(context.Background(), mark) }

func (v LogView) since(ctx context.Context, mark int64) ([]string, error) {
	text, err := v.read(ctx)
	if err != nil || int64(len(text)) <= mark {
		return nil, err
	}
	return strings.Split(strings.TrimRight(string(text[mark:]), "\n"), "\n"), nil
}

// read asks the engine: the copy on disk lags behind, so that positions in it would be wrong.
func (v LogView) read(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline.Hang)
	defer cancel()
	logs, err := v.node.Logs(ctx, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = logs.Close() }()
	text, err := io.ReadAll(logs)
	if err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", v.node.ref(), err)
	}
	return text, nil
}
