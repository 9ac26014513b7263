package regress

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/spec"
)

// fault is something that must be so of none of a user's files.
type fault struct {
	id, title, why, what string
	severity             posture.Severity
	settings             []string
	of                   []Holds
	is                   func(Original, []Original) bool
	// local is true for a fault that only shows in this copy of the files; see finding.Finding.
	local bool
	// ofReader is true for a fault that shows beside whom the agent runs as.
	ofReader bool
	control  func(folder string) error
}

// others are the permission bits of those who are neither the owner nor of the group.
const others fs.FileMode = 0o007

// faults are what the files of a configuration are looked at for. Nomad itself starts with all of them, and says nothing
// (verified against Nomad 1.11.3).
func faults() []fault {
	open := func(o Original, _ []Original) bool { return o.Mode&others != 0 }
	return []fault{
		{
			id: "key-file-is-private", title: "the private key can be read by its owner and group alone", severity: posture.Critical,
			why:  "whoever can read the file is an agent of the cluster, and Nomad starts without a word (verified against Nomad 1.11.3)",
			what: "a private key that everybody may read", settings: []string{"tls.key_file"}, of: []Holds{HoldsKey}, is: open, local: true,
			control: controlFile("key.pem", 0o644, ""),
		},
		{
			id: "key-file-belongs-to-root-or-the-agent", title: "the private key belongs to root or to whoever the configuration belongs to", severity: posture.High,
			why:  "the owner of a file may change its mode, and so read it (chmod(2))",
			what: "a private key that belongs to somebody else", settings: []string{"tls.key_file"}, of: []Holds{HoldsKey},
			is: strangers, local: true, ofReader: true, control: controlFile("key.pem", 0o600, ""),
		},
		{
			id: "configuration-with-secrets-is-private", title: "configuration that holds a secret can be read by its owner and group alone", severity: posture.Critical,
			why:  "whoever has the gossip key speaks with the servers, and whoever has a token has its rights; Nomad starts without a word (verified against Nomad 1.11.3)",
			what: "configuration with a secret that everybody may read", settings: []string{"server.encrypt", "acl.replication_token"},
			of: []Holds{HoldsSecrets}, is: open, local: true, control: controlFile("gossip.hcl", 0o644, controlSecret),
		},
	}
}

// strangers says whether the file belongs to neither root nor whom the agent runs as.
func strangers(o Original, all []Original) bool {
	return o.Owner != 0 && !slices.Contains(readers(all), o.Owner)
}

// readers are the owners of the configuration that nobody but its owner may read: an agent that reads it runs as one of them,
// or as root.
func readers(all []Original) []int {
	var owners []int
	for _, o := range all {
		if (o.Holds == HoldsSecrets || o.Holds == HoldsSettings) && o.Mode&0o077 == 0 {
			owners = append(owners, o.Owner)
		}
	}
	return owners
}

// decoySecret is configuration with a secret, of a cluster that there is none of.
const controlSecret = `server { encrypt = "bm8gY2x1c3RlciBoYXMgdGhpcyBvbmUsIGV2ZXIgISE=" }`

// decoyFile makes a file that has the fault.
func controlFile(name string, mode fs.FileMode, text string) func(string) error {
	return func(folder string) error {
		at := filepath.Join(folder, name)
		if err := os.WriteFile(at, []byte(text), mode); err != nil {
			return err
		}
		return os.Chmod(at, mode) // whatever the umask is
	}
}

// fileChecks are the checks of a role's files.
func fileChecks(role pki.Role, originals []Original) ([]posture.Check, error) {
	var checks []posture.Check
	for _, f := range faults() {
		check, err := posture.New(f.spec(role, originals))
		if err != nil {
			return nil, err
		}
		checks = append(checks, check)
	}
	return checks, nil
}

// spec looks at the originals; the control is the same look at a file of our own that has the fault.
func (f fault) spec(role pki.Role, originals []Original) posture.Spec {
	s := posture.Spec{
		ID: fmt.Sprintf("%s-%s", role, f.id), Title: f.title, Plane: probe.PlaneFiles, Kind: posture.Safe, Severity: f.severity,
		Why: f.why, Settings: f.settingsOf(originals), Local: f.local, Roles: []pki.Role{role}, Want: posture.Want{probe.Absent},
		Probe: probe.New(probe.PlaneFiles, "look for "+f.what+" among your files", func(context.Context, probe.Target) probe.Observation {
			return f.look(originals)
		}).Classed(probe.Reads()),
		Control: probe.New(probe.PlaneFiles, "look for "+f.what+" among files of which one is so", func(context.Context, probe.Target) probe.Observation {
			return f.lookAtControl(role)
		}).Classed(probe.Reads()),
	}
	switch {
	case !slices.ContainsFunc(originals, func(o Original) bool { return slices.Contains(f.of, o.Holds) }) && slices.Contains(f.of, HoldsSecrets):
		s.Lacks = "none of your files that were read holds a secret"
	case !slices.ContainsFunc(originals, func(o Original) bool { return slices.Contains(f.of, o.Holds) }):
		s.Lacks = "none of your files that were read is one: hand the keys in with --tls-dir, or run this where they are"
	case f.ofReader && len(readers(originals)) == 0:
		s.Lacks = "it is not known whom the agent runs as: no file of its configuration can be read by its owner alone"
	}
	return s
}

// look looks at the files.
func (f fault) look(originals []Original) probe.Observation {
	o := probe.Observation{Outcome: probe.Absent}
	var seen, sound []string
	for _, file := range originals {
		if !slices.Contains(f.of, file.Holds) {
			continue
		}
		parts := []string{fmt.Sprintf("%s: %s, mode %04o, user %d", file.Path, file.Holds, file.Mode, file.Owner)}
		for _, secret := range file.Secrets {
			parts = append(parts, fmt.Sprintf("%s in line %d", secret.Setting, secret.Number))
		}
		words := strings.Join(parts, ", ")
		if f.is(file, originals) {
			o.Outcome = probe.Found
			seen = append(seen, words)
		} else {
			sound = append(sound, words)
		}
	}
	if o.Outcome == probe.Absent { // what is right is told only where nothing is wrong
		seen = sound
	}
	o.Received = strings.Join(seen, "; ")
	return o
}

// settingsOf are the settings that the promise rests on: of secrets, those that stand in the files at fault, or in any.
func (f fault) settingsOf(originals []Original) []string {
	if !slices.Contains(f.of, HoldsSecrets) {
		return f.settings
	}
	wrong := slices.DeleteFunc(slices.Clone(originals), func(o Original) bool { return !f.is(o, originals) })
	for _, from := range [][]Original{wrong, originals} {
		var settings []string
		for _, o := range from {
			for _, secret := range o.Secrets {
				if !slices.Contains(settings, secret.Setting) {
					settings = append(settings, secret.Setting)
				}
			}
		}
		if len(settings) > 0 {
			return settings
		}
	}
	return f.settings
}

// lookAtDecoy looks at a file that is there to be found.
func (f fault) lookAtControl(role pki.Role) probe.Observation {
	folder, err := os.MkdirTemp("", "nomadlab-decoy-")
	if err != nil {
		return probe.Observation{Outcome: probe.Failed, Err: err.Error()}
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := f.control(folder); err != nil {
		return probe.Observation{Outcome: probe.Failed, Err: err.Error()}
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 1 {
		return probe.Observation{Outcome: probe.Failed, Err: "the file of our own is not there"}
	}
	all, err := f.read(role, filepath.Join(folder, entries[0].Name()))
	if err != nil {
		return probe.Observation{Outcome: probe.Failed, Err: err.Error()}
	}
	if all[0].Owner == 0 { // a file of root's belongs to no stranger: it is looked at as if it were somebody's
		all[0].Owner = stranger
	}
	return f.look(all)
}

// read reads the file as a user's is: whether configuration holds a secret is found out of it.
func (f fault) read(role pki.Role, path string) ([]Original, error) {
	if slices.Contains(f.of, HoldsSecrets) {
		_, originals, err := readFiles(role, []string{path})
		return originals, err
	}
	file, err := originalOf(role, path, f.of[0])
	return []Original{file}, err
}

// stranger is a user that no file belongs to (4294967294 is what Linux gives to unmapped users, 65534 is nobody).
const stranger = 65534

// lookAtFiles is what the checks find in the user's own files: those that one of the names means, or all where there are none.
func lookAtFiles(ctx context.Context, s Source, names ...string) ([]finding.Finding, error) {
	checks, err := s.fileChecks()
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, err := posture.Choose(checks, name)
		return err != nil // of clients, where there are none
	})
	if checks, err = posture.Choose(checks, names...); err != nil {
		return nil, err
	}
	var all []finding.Finding
	for _, check := range checks {
		target := probe.Target{Files: true}
		if roles := check.Spec().Roles; len(roles) > 0 {
			target.Role = roles[0]
		}
		target.Name = finding.FilesOf(string(target.Role))
		all = append(all, posture.Run(ctx, []posture.Check{check}, []probe.Target{target}, nil)...)
	}
	return all, nil
}

// fileChecks are the checks of the user's own files.
func (s Source) fileChecks() ([]posture.Check, error) {
	var all []posture.Check
	for _, role := range s.roles() {
		var originals []Original
		for _, o := range s.Originals {
			if o.Role == role {
				originals = append(originals, o)
			}
		}
		checks, err := fileChecks(role, originals)
		if err != nil {
			return nil, err
		}
		all = append(all, checks...)
	}
	for _, t := range traits() {
		if t.role != "" && !slices.Contains(s.roles(), t.role) {
			continue
		}
		check, err := posture.New(t.spec(s.held(t.role)))
		if err != nil {
			return nil, err
		}
		all = append(all, check)
	}
	return all, nil
}

// FileChecks returns the checks of a user's own files, of servers and of clients: those that can be chosen by name. They have
// nothing to look at.
func FileChecks() ([]posture.Check, error) {
	nothing := agentconf.Files{agentconf.NewFile("", nil)}
	return Source{Configuration: &spec.Configuration{
		Server: spec.AgentConfiguration{Files: nothing}, Client: spec.AgentConfiguration{Files: nothing},
	}}.fileChecks()
}

// choose sorts the names of checks by what they mean: checks of files, and all others. A pattern may mean both.
func choose(only []string) (ofFiles, others []string, err error) {
	known, err := FileChecks()
	if err != nil {
		return nil, nil, err
	}
	catalogued, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		return nil, nil, err
	}
	for _, name := range only {
		_, notFile := posture.Choose(known, name)
		_, notOther := posture.Choose(catalogued, name)
		if notFile == nil {
			ofFiles = append(ofFiles, name)
		}
		if notOther == nil || notFile != nil { // whoever tries the others tells of a name that means nothing
			others = append(others, name)
		}
	}
	return ofFiles, others, nil
}
