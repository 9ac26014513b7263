package lab

import (
	"context"
	"fmt"
	"time"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/engine"
)

// tidy removes what outlived even the watchdogs, as after a power cut: labs whose time is over, folders of labs that
// never came to stay, and locks that nobody holds. What cannot be removed is told and keeps nobody from starting.
func tidy(ctx context.Context, engines []engine.Engine, tell func(Event)) error {
	runs := map[string]bool{}
	for _, e := range engines {
		if err := tidyLabs(ctx, e, runs, tell); err != nil {
			return err
		}
	}
	if err := state.RemoveLeftovers(runs); err != nil {
		tell(Event{Stage: "tidy", Text: err.Error()})
	}
	return nil
}

// tidyLabs removes the engine's labs whose time is over, and adds the names of all folders that its labs have.
func tidyLabs(ctx context.Context, e engine.Engine, runs map[string]bool, tell func(Event)) error {
	labs, err := e.Labs(ctx)
	if err != nil {
		return err
	}
	for name, found := range labs {
		run := found.Labels[state.LabelRun]
		runs[name+"."+run] = true
		until, err := time.Parse(time.RFC3339, found.Labels[state.LabelExpires])
		if err != nil || time.Now().Before(until) {
			continue
		}
		if text := expired(ctx, e, name, found.Labels, until.Local().Format(time.DateTime)); text != "" {
			tell(Event{Stage: "tidy", Text: text, Done: true})
		}
	}
	if e.DockerHost() != "" { // no other engine knows which of Compose's labs there are
		if err := state.RemoveComposeLeftovers(runs); err != nil {
			tell(Event{Stage: "tidy", Text: err.Error()})
		}
	}
	return nil
}

// expired removes a lab whose time is over, unless its owner lives, or may live: where the owner keeps the lab is not to be seen
// from here, as it is another user's, or in a container. It returns what became of the lab, in words; "" where its owner lives.
func expired(ctx context.Context, e engine.Engine, name string, labels map[string]string, until string) string {
	switch at := state.KeptIn(name, labels); at.Condition() {
	case state.Owned:
		return ""
	case state.Gone:
		return fmt.Sprintf("lab %s expired at %s, and stays: whether its owner lives cannot be told, as %s is not to be seen from here; "+
			"`nomadlab down %s` removes it", name, until, at.Path, name)
	case state.Kept, state.Abandoned:
	}
	if err := Remove(ctx, e, name); err != nil {
		return fmt.Sprintf("lab %s expired at %s and cannot be removed: %v", name, until, err)
	}
	return fmt.Sprintf("lab %s, which expired at %s and whose owner has ended, has been removed", name, until)
}
