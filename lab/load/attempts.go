package load

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
)

// request sends one request to a server. It may note in the attempt what it found. again has the call tried again whatever the
// policy says about the error.
type request func(ctx context.Context, c *api.Client, a *Attempt) (again bool, err error)

// try carries out a call by the policy, and notes its attempts in it. It reports whether the last one succeeded.
func (w *Load) try(ctx context.Context, call *Call, do request) bool {
	first, pause := w.turn.Add(1), w.o.Policy.Pause
	for i := range w.o.Policy.Attempts {
		again := false
		a := w.attempt(ctx, w.servers[(int(first)+i)%len(w.servers)], func(ctx context.Context, c *api.Client, a *Attempt) (err error) { //nolint:gosec // the index of a server
			again, err = do(ctx, c, a)
			return err
		})
		call.Attempts, call.End = append(call.Attempts, a), a.End
		switch {
		case a.Outcome == OK:
			return true
		case ctx.Err() != nil:
			call.Abandoned = true
			return false
		}
		w.record.failedAttempt(call.Kind, a)
		if again {
			continue
		}
		if !slices.Contains(w.o.Policy.Again, a.Outcome) || i == w.o.Policy.Attempts-1 {
			return false
		}
		if !wait(ctx, deadline.Stretch(pause)) {
			call.Abandoned = true
			return false
		}
		pause = min(2*pause, w.o.Policy.MaxPause)
	}
	return false
}

// attempt sends one request to one agent, with a client that is asked for anew: a rollout may have changed the scheme, the
// credential or the address meanwhile.
func (w *Load) attempt(ctx context.Context, n *lab.Node, do func(context.Context, *api.Client, *Attempt) error) Attempt {
	ctx, cancel := deadline.Fair(ctx, w.o.Policy.Within)
	defer cancel()
	a := Attempt{Node: n.Name(), Start: time.Now()}
	client, err := n.API()
	if err == nil {
		err = do(ctx, client, &a)
	}
	a.End, a.Outcome = time.Now(), OutcomeOf(err)
	a.Error = short(err)
	return a
}

// wait returns after d, or with false when ctx has ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// longest is how many bytes of an error a history keeps.
const longest = 240

// short returns the first line of an error, cut to a length that a table takes.
func short(err error) string {
	if err == nil {
		return ""
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

// isEnd reports whether the error is that of a connection that the other side has ended.
func isEnd(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, io.ErrClosedPipe} {
		if errors.Is(err, end) {
			return true
		}
	}
	return strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "connection reset") ||
		strings.Contains(err.Error(), "server closed idle connection")
}

func (w *Load) reading(ctx context.Context) *api.QueryOptions {
	return (&api.QueryOptions{AuthToken: w.o.Token, Region: w.o.Region}).WithContext(ctx)
}

func (w *Load) writing(ctx context.Context) *api.WriteOptions {
	return (&api.WriteOptions{AuthToken: w.o.Token, Region: w.o.Region}).WithContext(ctx)
}
