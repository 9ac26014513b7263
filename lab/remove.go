package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

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
