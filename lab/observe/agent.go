package observe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/timeline"
)

// agent watches whether an agent answers, and what a server says of the leader.
type agent struct {
	node     *lab.Node
	recorder *timeline.Recorder
	view     *regionView
	// answered is true once the agent has answered.
	answered bool
	// silent is when the first request without an answer was sent. Zero: the last one was answered.
	silent time.Time
	why    string
}

// look asks once. An answer with an error code is an answer.
func (a *agent) look(ctx context.Context) {
	sent := time.Now()
	leader, err := a.ask(ctx)
	switch {
	case ctx.Err() != nil: // the observer ends
	case err == nil:
		a.heard()
		if a.node.Role() == pki.Server {
			a.view.named(a.node.Name(), leader)
		}
	case !a.answered: // an extra node that nobody has started yet
	default:
		if a.silent.IsZero() {
			a.silent, a.why = sent, short(err)
		}
		if a.node.Role() == pki.Server {
			a.view.silent(a.node.Name())
		}
	}
}

// ask returns the address of the leader that a server knows; empty if it knows none, or for a client.
func (a *agent) ask(ctx context.Context) (leader string, err error) {
	c, err := a.node.API()
	if err != nil {
		return "", err
	}
	ctx, cancel := deadline.Fair(ctx, answerTimeout)
	defer cancel()
	o := (&api.QueryOptions{AllowStale: true}).WithContext(ctx)
	if a.node.Role() == pki.Server {
		_, err = c.Raw().Query("/v1/status/leader", &leader, o)
	} else {
		_, err = c.Raw().Query("/v1/agent/health?type=client", new(api.AgentHealthResponse), o)
	}
	if _, said := errors.AsType[api.UnexpectedResponseError](err); said {
		return "", nil
	}
	return leader, err
}

// heard records the silence that has ended.
func (a *agent) heard() {
	if a.silent.IsZero() {
		a.answered = true
		return
	}
	a.recorder.Add(timeline.Event{
		At: a.silent, End: time.Now(), Kind: timeline.Agent, Node: a.node.Name(), Text: "does not answer: " + a.why,
	})
	a.silent = time.Time{}
}

// end records a silence that lasts.
func (a *agent) end() {
	if !a.silent.IsZero() {
		a.recorder.Add(timeline.Event{
			At: a.silent, End: time.Now(), Kind: timeline.Agent, Node: a.node.Name(), Text: "does not answer, to the end: " + a.why,
		})
	}
}

// short returns what is new in the error of a request: the innermost words, without the URL.
func short(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	default:
		if op, is := errors.AsType[*net.OpError](err); is {
			return fmt.Sprintf("%s: %v", op.Op, op.Err)
		}
		text := err.Error()
		if i := strings.LastIndex(text, "\": "); i >= 0 {
			text = text[i+len("\": "):]
		}
		return strings.ReplaceAll(text, "\n", "; ")
	}
}
