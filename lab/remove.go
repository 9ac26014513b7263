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

// ErrElsewhere is returned for a lab that is on another engine than the one that was asked. It is an ErrInvalid.
const ErrElsewhere = spec.InputError("the lab is elsewhere")

// site returns where an engine has its labs: the address of its Docker daemon, or its folder.
func site(e engine.Engine) string { return cmp.Or(e.DockerHost(), e.Site().Folder) }

// isOn reports whether the engine has the lab of the record.
func isOn(r state.Record, e engine.Engine) bool {
	return r.Engine == e.Name() && (r.Site == "" || r.Site == site(e))
}

// Remove removes everything that is left of a lab, by its name. A lab that does not exist is no error. Remove returns an error
// for a lab that is being started, and ErrElsewhere for one that another engine has, whose keys stay.
func Remove(ctx context.Context, e engine.Engine, name string) error {
	if err := spec.CheckName(name); err != nil {
		return err
	}
	r, err := state.Reserve(name)
	if errors.Is(err, spec.ErrTaken) {
		return fmt.Errorf("%w: interrupt that first", err)
	}
	if err == nil { // a lab can be removed also where the folder of labs cannot be written to
		defer r.Release()
	}
	return remove(ctx, e, name)
}

// remove is Remove for a caller that holds the reservation of the name.
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

// elsewhere returns ErrElsewhere for the folder of a lab that may well run on an engine that is not among these.
func elsewhere(f state.Folder, engines ...engine.Engine) error {
	r, err := f.Read()
	if err != nil || f.Condition() == state.Abandoned || slices.ContainsFunc(engines, func(e engine.Engine) bool { return isOn(r, e) }) {
		return nil //nolint:nilerr // a record that cannot be read names no other engine
	}
	return fmt.Errorf("%w: lab %s is one of the engine %s (%s): it is removed with `nomadlab --engine %s down %s`",
		ErrElsewhere, f.LabName(), r.Engine, r.Site, r.Engine, f.LabName())
}

// removeExpired removes what no watchdog removed, such as after a power cut: labs that have expired, folders of starts that
// were killed, and locks without a holder. What cannot be removed is reported and does not keep a lab from starting.
func removeExpired(ctx context.Context, engines []engine.Engine, o UpOptions) error {
	runs := map[string]bool{}
	for _, e := range engines {
		if err := removeExpiredOf(ctx, e, runs, o); err != nil {
			return err
		}
	}
	if err := state.RemoveLeftovers(runs); err != nil {
		o.reportDone(phaseReserve, err.Error())
	}
	return nil
}

// removeExpiredOf removes the expired labs of one engine, and adds the names of the folders of all its labs to runs.
func removeExpiredOf(ctx context.Context, e engine.Engine, runs map[string]bool, o UpOptions) error {
	labs, err := e.Labs(ctx)
	if err != nil {
		return err
	}
	for name, found := range labs {
		runs[name+"."+found.Labels[state.LabelRun]] = true
		until, err := time.Parse(time.RFC3339, found.Labels[state.LabelExpires])
		if err != nil || time.Now().Before(until) {
			continue
		}
		if text := removeUnowned(ctx, e, name, found.Labels, until.Local().Format(time.DateTime)); text != "" {
			o.reportDone(phaseReserve, text)
		}
	}
	if err := removeComposeLeftovers(e, labs); err != nil {
		o.reportDone(phaseReserve, err.Error())
	}
	return nil
}

// removeComposeLeftovers removes the keys of labs of Compose that are not among the engine's labs. Only the engine of Docker
// knows which there are.
func removeComposeLeftovers(e engine.Engine, labs map[string]engine.LabState) error {
	if e.DockerHost() == "" {
		return nil
	}
	runs := map[string]bool{}
	for name, found := range labs {
		runs[name+"."+found.Labels[state.LabelRun]] = true
	}
	return state.RemoveComposeLeftovers(runs)
}

// removeUnowned removes an expired lab unless the process that owns it lives or may live: where the lab's folder cannot be
// read, as that of another user or inside a container, this is not known. It returns what became of the lab, in words; empty
// if the owner lives.
func removeUnowned(ctx context.Context, e engine.Engine, name string, labels map[string]string, until string) string {
	switch at := state.KeptIn(name, labels); at.Condition() {
	case state.Owned:
		return ""
	case state.Gone:
		return fmt.Sprintf("lab %s expired at %s, and stays: whether its owner lives is not known, as %s cannot be read from here; "+
			"`nomadlab down %s` removes it", name, until, at.Path, name)
	case state.Kept, state.Abandoned:
	}
	if err := Remove(ctx, e, name); err != nil {
		return fmt.Sprintf("lab %s expired at %s and cannot be removed: %v", name, until, err)
	}
	return fmt.Sprintf("lab %s, which expired at %s and whose owner has ended, has been removed", name, until)
}
