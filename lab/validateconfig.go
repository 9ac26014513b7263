package lab

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// validateConfiguration has Nomad validate a user's configuration before anything in it is replaced: an error in a line that a
// lab replaces would go unnoticed. A configuration with overrides is not validated: it was before they were applied.
func (l *Lab) validateConfiguration(ctx context.Context) error {
	p := l.record.Plan
	if !p.UserConfiguration || len(p.Overrides) > 0 || p.Certificates.Altered() {
		return nil
	}
	return l.Validate(ctx, l.record.Spec.Configuration)
}

// Validate has the lab's Nomad validate another user configuration, as it is. It changes nothing. It returns an error that wraps
// spec.ErrInvalid, with Nomad's words, for one that Nomad refuses.
func (l *Lab) Validate(ctx context.Context, c *spec.Configuration) error {
	var both errgroup.Group
	for _, role := range []pki.Role{pki.Server, pki.Client} {
		if files := c.Of(role).Files; len(files) > 0 {
			both.Go(func() error { return l.validate(ctx, role, files) })
		}
	}
	return both.Wait()
}

// validate runs `nomad config validate` on the files. Its error has the names of the files that the user knows.
func (l *Lab) validate(ctx context.Context, role pki.Role, files agentconf.Files) error {
	run := newRun()
	folder := "/nomad/given"
	if !l.Contained() {
		folder = path.Join(l.engine.Site().Of(run), "given")
	}
	var said, complained bytes.Buffer // both are written at the same time
	task := engine.Task{
		Node: engine.Node{
			Ref: engine.Ref{Lab: l.Name()}, Run: run, Image: l.Image(), Command: []string{"nomad", "config", "validate"},
			User: user(l.nodes[0].plan().User), Labels: map[string]string{state.LabelRun: l.record.Run},
			Files: []engine.File{{Path: folder, Mode: fs.ModeDir | 0o700, Owner: l.nodes[0].plan().User}},
		},
		Streams: engine.Streams{Stdout: &said, Stderr: &complained},
	}
	words := func(text string) string { return text }
	for i, f := range files {
		text := f.Text()
		if l.record.Spec.Configuration.LeaveOutUnknown {
			var err error
			if text, _, err = agentconf.LeaveOut(text, l.record.Version); err != nil {
				return err
			}
		}
		own := fmt.Sprintf("%s/%d", folder, i+1)
		at := own + "/" + path.Base(f.Name())
		task.Files = append(task.Files,
			engine.File{Path: own, Mode: fs.ModeDir | 0o700, Owner: l.nodes[0].plan().User},
			engine.File{Path: at, Mode: 0o600, Owner: l.nodes[0].plan().User, Data: text})
		task.Command = append(task.Command, at)
		before := words
		words = func(text string) string { return strings.ReplaceAll(before(text), at, f.Name()) }
	}
	code, err := l.engine.Run(ctx, task)
	switch {
	case err != nil:
		return fmt.Errorf("have Nomad look at the %ss' configuration: %w", role, err)
	case code != 0:
		text := strings.TrimSpace(words(complained.String() + said.String()))
		return &refusedError{fmt.Sprintf("Nomad refuses the %ss' configuration, and says:\n%s%s", role, text, agentconf.Pointing(files.MentionedIn(text)))}
	default:
		return nil
	}
}

// refusedError is Nomad's message about a configuration that it refuses. It wraps ErrInvalid.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return e.text }

// Unwrap makes errors.Is(err, ErrInvalid) hold.
func (e *refusedError) Unwrap() error { return spec.ErrInvalid }
