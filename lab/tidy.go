package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

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
	if err := tidyFolders(runs); err != nil {
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
	for name, state := range labs {
		run := state.Labels[labelRun]
		runs[name+"."+run] = true
		until, err := time.Parse(time.RFC3339, state.Labels[labelExpires])
		if err != nil || time.Now().Before(until) {
			continue
		}
		if text := expired(ctx, e, name, state.Labels, until.Local().Format(time.DateTime)); text != "" {
			tell(Event{Stage: "tidy", Text: text, Done: true})
		}
	}
	if e.DockerHost() != "" { // no other engine knows which of Compose's labs there are
		if err := tidyAdopted(runs); err != nil {
			tell(Event{Stage: "tidy", Text: err.Error()})
		}
	}
	return nil
}

// expired removes a lab whose time is over, unless its owner lives, or may live: where the owner keeps the lab is not to be seen
// from here, as it is another user's, or in a container. It returns what became of the lab, in words; "" where its owner lives.
func expired(ctx context.Context, e engine.Engine, name string, labels map[string]string, until string) string {
	switch at := keptIn(name, labels); at.condition() {
	case owned:
		return ""
	case gone:
		return fmt.Sprintf("lab %s expired at %s, and stays: whether its owner lives cannot be told, as %s is not to be seen from here; "+
			"`nomadlab down %s` removes it", name, until, at.path, name)
	case kept, abandoned:
	}
	if err := Remove(ctx, e, name); err != nil {
		return fmt.Sprintf("lab %s expired at %s and cannot be removed: %v", name, until, err)
	}
	return fmt.Sprintf("lab %s, which expired at %s and whose owner has ended, has been removed", name, until)
}

// tidyFolders removes the folders, with keys in them, whose owner is dead and of whose run the engine has nothing.
// Those of labs that are being started are left alone: a folder looks the same before its owner has locked it.
func tidyFolders(runs map[string]bool) error {
	return exclusively(func() error {
		if err := tidyLocks(); err != nil {
			return err
		}
		all, err := folders()
		for _, f := range all {
			if _, free := os.Lstat(reservationFile(f.lab())); free == nil || runs[f.base()] {
				continue
			}
			if f.condition() == abandoned || f.outlived() {
				err = errors.Join(err, f.remove())
			}
		}
		if err != nil {
			return fmt.Errorf("remove what a killed start left: %w", err)
		}
		return nil
	})
}

// outlived is true for the folder of a lab without containers whose nodes' files are gone, as after a reboot: nothing of
// it can ever run again.
func (f folder) outlived() bool {
	r, err := f.read()
	if err != nil || !filepath.IsAbs(r.Site) || f.condition() != kept {
		return false
	}
	_, err = os.Stat(filepath.Join(r.Site, r.Run))
	return errors.Is(err, fs.ErrNotExist)
}

// tidyAdopted removes the keys of labs that Compose brought up and took down again. Opening such a lab, should it come
// back, fetches them anew.
func tidyAdopted(runs map[string]bool) error {
	all, err := folders()
	if err != nil {
		return err
	}
	for _, f := range all {
		name, run, _ := strings.Cut(f.base(), ".")
		if run == composeRun(name) && !runs[f.base()] {
			if err := f.remove(); err != nil {
				return fmt.Errorf("remove the keys of lab %s, which is gone: %w", name, err)
			}
		}
	}
	return nil
}

// tidyLocks removes the reservations of starts that were killed; those that stay are held. Nobody else may look at them.
func tidyLocks() error {
	entries, err := os.ReadDir(labsFolder())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), lockSuffix) {
			continue
		}
		lock := flock.New(filepath.Join(labsFolder(), entry.Name()))
		if held, err := lock.TryLock(); err == nil && held {
			_ = os.Remove(lock.Path())
		}
		_ = lock.Close()
	}
	return nil
}
