package scenarios

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/poll"
)

// unaltered begins the text of each write. A bit-flipping proxy looks for it, and changes its last letter.
const unaltered = "unaltered"

// ledger writes namespaces, and remembers those that a server acknowledged. Namespaces are replicated in clear inside TLS;
// variables would be encrypted whatever TLS does. Its zero value is ready to use, by several goroutines.
type ledger struct {
	mu sync.Mutex
	// acknowledged are the writes that a server acknowledged: descriptions, by the namespace's name.
	acknowledged map[string]string
	// index is Raft's, of the latest of them.
	index uint64
}

// write writes a namespace through a server.
func (l *ledger) write(ctx context.Context, n *lab.Node, name string) error {
	client, err := n.API()
	if err != nil {
		return err
	}
	space := &api.Namespace{Name: name, Description: unaltered + ": " + name}
	meta, err := client.Namespaces().Register(space, writing(ctx))
	if err != nil {
		return fmt.Errorf("write the namespace %s through %s: %w", name, n.Name(), err)
	}
	l.note(name, space.Description, meta.LastIndex)
	return nil
}

func (l *ledger) note(name, text string, index uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.acknowledged == nil {
		l.acknowledged = map[string]string{}
	}
	l.acknowledged[name], l.index = text, max(l.index, index)
}

// readAll reads the server's own state once. It returns an error for each acknowledged write that is not there
// (errMissing) or that has another text. It must not run beside write.
func (l *ledger) readAll(ctx context.Context, n *lab.Node) error {
	client, err := n.API()
	if err != nil {
		return err
	}
	own := asking(ctx)
	own.AllowStale = true
	list, _, err := client.Namespaces().List(own)
	if err != nil {
		return fmt.Errorf("read the namespaces of %s: %w", n.Name(), err)
	}
	have := map[string]string{}
	for _, space := range list {
		have[space.Name] = space.Description
	}
	var wrong []error
	for name, want := range l.acknowledged {
		switch got, there := have[name]; {
		case !there:
			wrong = append(wrong, fmt.Errorf("%w at %s: %s", errMissing, n.Name(), name))
		case got != want:
			wrong = append(wrong, fmt.Errorf("the description of %s is %q at %s, acknowledged was %q", name, got, n.Name(), want))
		}
	}
	return errors.Join(wrong...)
}

// errMissing is wrapped by the error about a write that was acknowledged and is not there, or not yet.
var errMissing = errors.New("an acknowledged write is missing")

// awaitAll waits until the server has caught up with every acknowledged write, and then returns what readAll does.
func (l *ledger) awaitAll(ctx context.Context, n *lab.Node) (err error) {
	waited := poll.Until(ctx, n.Name()+" to have every acknowledged write", func(ctx context.Context) string {
		if err = l.readAll(ctx, n); errors.Is(err, errMissing) || ctx.Err() != nil {
			return fmt.Sprint(err)
		}
		return ""
	})
	return errors.Join(waited, err)
}
