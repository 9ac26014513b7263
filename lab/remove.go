package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/spec"
)

// ErrElsewhere is returned for a lab that another engine has than the one that was asked. It is an ErrInvalid.
const ErrElsewhere = spec.InputError("the lab is elsewhere")

// site is where an engine has its labs.
func site(e engine.Engine) string { return cmp.Or(e.DockerHost(), e.Site().Folder) }

// isOn reports whether the lab of that record is one of that engine's.
func isOn(r state.Record, e engine.Engine) bool {
	return r.Engine == e.Name() && (r.Site == "" || r.Site == site(e))
}

// Remove removes a lab by name, whatever is left of it. A lab that is gone is no error; one that is being started is, and
// ErrElsewhere one that another engine has, whose keys stay.
func Remove(ctx context.Context, e engine.Engine, name string) error {
	if err := spec.CheckName(name); err != nil {
		return err
	}
	r, err := state.Reserve(name)
	if errors.Is(err, spec.ErrTaken) {
		return fmt.Errorf("%w: interrupt that first", err)
	}
	if err == nil { // a folder that cannot be written to keeps no lab from being removed
		defer r.Release()
	}
	return remove(ctx, e, name)
}

// remove is Remove for those who have the name already.
func remove(ctx context.Context, e engine.Engine, name string) error {
	errs := []error{e.Remove(ctx, name)}
	folders, err := state.FoldersOf(name)
	for _, f := range folders {
		if err := elsewhere(f, e); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, f.Remove())
	}
	return errors.Join(append(errs, err)...)
}

// elsewhere returns ErrElsewhere for the folder of a lab that is another engine's and may well run there.
func elsewhere(f state.Folder, engines ...engine.Engine) error {
	r, err := f.Read()
	if err != nil || f.Condition() == state.Abandoned || slices.ContainsFunc(engines, func(e engine.Engine) bool { return isOn(r, e) }) {
		return nil //nolint:nilerr // what cannot be read tells of no other engine
	}
	return fmt.Errorf("%w: lab %s is one of the engine %s (%s): it is removed with `nomadlab --engine %s down %s`",
		ErrElsewhere, f.LabName(), r.Engine, r.Site, r.Engine, f.LabName())
}

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
		tell(Event{Stage: PhaseReserve, Text: err.Error(), Done: true})
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
			tell(Event{Stage: PhaseReserve, Text: text, Done: true})
		}
	}
	if e.DockerHost() != "" { // no other engine knows which of Compose's labs there are
		if err := state.RemoveComposeLeftovers(runs); err != nil {
			tell(Event{Stage: PhaseReserve, Text: err.Error(), Done: true})
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
