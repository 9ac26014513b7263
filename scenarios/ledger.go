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

// readAll waits until the server's own state has every acknowledged write, and compares their texts. It must not run beside
// write.
func (l *ledger) readAll(ctx context.Context, n *lab.Node) error {
	client, err := n.API()
	if err != nil {
		return err
	}
	have := map[string]string{}
	if err := poll.Until(ctx, n.Name()+" to have every acknowledged write", func(ctx context.Context) string {
		own := asking(ctx)
		own.AllowStale = true
		list, _, err := client.Namespaces().List(own)
		if err != nil {
			return err.Error()
		}
		for _, space := range list {
			have[space.Name] = space.Description
		}
		for name := range l.acknowledged {
			if _, there := have[name]; !there {
				return name + ", which was acknowledged, is not there"
			}
		}
		return ""
	}); err != nil {
		return err
	}
	var changed []error
	for name, want := range l.acknowledged {
		if have[name] != want {
			changed = append(changed, fmt.Errorf("the description of %s is %q at %s, acknowledged was %q", name, have[name], n.Name(), want))
		}
	}
	return errors.Join(changed...)
}
