package regress

import (
	"context"
	"fmt"
	"os"
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

// fileCheck is a check of the user's own files: modes and owners, certificates and keys, lines of the configuration. It
// passes if nothing of one kind is wrong with them. It needs no agent; most of what it finds, no running agent shows.
type fileCheck struct {
	id, title, why string
	// what names what is looked for.
	what     string
	severity posture.Severity
	settings []string
	// role is that of the files; empty: all.
	role pki.Role
	// local is true for what shows only in this copy of the files; see finding.Finding.
	local bool
	// lacks returns why there is nothing to look at; empty, or nil: there is.
	lacks func(userFiles) string
	// wrong returns what is wrong, in words, each with its file.
	wrong func(userFiles) []string
	// right returns what a passed check has looked at; nil: userFiles.summary.
	right func(userFiles) string
	// control writes files that are wrong into a folder, and returns what is read of them.
	control func(folder, region string) (userFiles, error)
	// restsOn returns the settings that the check rests on in these files; nil: all of settings.
	restsOn func(userFiles) []string
}

// userFiles is what was read of a user's files, as the agents of one role have it, or all if role is empty.
type userFiles struct {
	role      pki.Role
	region    string
	originals []Original
	material  []Material
	// configuration is the role's; empty for all roles.
	configuration agentconf.Files
	// serverKey and clientKey are the gossip keys in the servers' and in the clients' configuration. Clients need none.
	serverKey, clientKey string
	// ownCredential is true if the lab's agents of the role have the user's certificate and key.
	ownCredential bool
	// unread are the roles whose configuration names a certificate that was not read.
	unread []pki.Role
}

// userFiles returns what was read, for a role.
func (s Source) userFiles(role pki.Role) userFiles {
	u := userFiles{
		role: role, region: s.Region, material: s.Material, ownCredential: s.credential(role) != nil,
		serverKey: s.files(pki.Server).Text(serverEncrypt), clientKey: s.files(pki.Client).Text(serverEncrypt),
	}
	if role != "" {
		u.configuration = s.files(role)
	}
	for _, o := range s.Originals {
		if o.Role == role {
			u.originals = append(u.originals, o)
		}
	}
	u.unread = slices.DeleteFunc(s.roles(), func(role pki.Role) bool {
		isRead := func(m Material) bool { return len(m.Certificates) > 0 }
		return s.files(role).Text(certFile) == "" || slices.ContainsFunc(u.of(role, PartCertificate), isRead)
	})
	return u
}

// of returns the material of the role that is that part of its credential; of all roles if role is empty.
func (u userFiles) of(role pki.Role, part Part) []Material {
	var out []Material
	for _, m := range u.material {
		if m.Part == part && (role == "" || m.Role == role) {
			out = append(out, m)
		}
	}
	return out
}

// summary says what there is to look at.
func (u userFiles) summary() string {
	if len(u.configuration) > 0 {
		return "nothing of the kind in " + named(u.configuration)
	}
	certificates, keys := 0, 0
	for _, m := range u.material {
		certificates, keys = certificates+len(m.Certificates), keys+len(m.Keys)
	}
	return fmt.Sprintf("nothing of the kind in %d files with %d certificates and %d private keys", len(u.material), certificates, keys)
}

// allFileChecks returns the checks of the roles' files.
func allFileChecks(roles []pki.Role) []fileCheck {
	var all []fileCheck
	for _, role := range roles {
		all = append(all, modeChecks(role)...)
	}
	for _, c := range slices.Concat(materialChecks(), settingChecks()) {
		if c.role == "" || slices.Contains(roles, c.role) {
			all = append(all, c)
		}
	}
	return all
}

// mostListed is how many wrong things of one kind are listed, as there may be many if tls.ca_file is the system's.
const mostListed = 8

// look returns what is wrong with the files.
func (c fileCheck) look(u userFiles) probe.Observation {
	wrong := c.wrong(u)
	switch more := len(wrong) - mostListed; {
	case len(wrong) == 0 && c.right != nil:
		return probe.Observation{Outcome: probe.Absent, Received: c.right(u)}
	case len(wrong) == 0:
		return probe.Observation{Outcome: probe.Absent, Received: u.summary()}
	case more > 0:
		wrong = append(wrong[:mostListed:mostListed], fmt.Sprintf("and %d more", more))
	}
	return probe.Observation{Outcome: probe.Found, Received: strings.Join(wrong, "; ")}
}

// lookAtControl returns what is wrong with files that are made to be found, in a folder that is removed afterwards.
func (c fileCheck) lookAtControl(region string) probe.Observation {
	folder, err := os.MkdirTemp("", "nomadlab-control-")
	if err != nil {
		return probe.Observation{Outcome: probe.Failed, Err: err.Error()}
	}
	defer func() { _ = os.RemoveAll(folder) }()
	u, err := c.control(folder, region)
	if err != nil {
		return probe.Observation{Outcome: probe.Failed, Err: err.Error()}
	}
	return c.look(u)
}

// check returns the posture.Check of the files.
func (c fileCheck) check(u userFiles) (posture.Check, error) {
	s := posture.Spec{
		ID: c.id, Title: c.title, Plane: probe.PlaneFiles, Kind: posture.Safe, Severity: c.severity, Why: c.why, Settings: c.settings,
		Local: c.local, Want: posture.Want{probe.Absent},
		Probe: probe.New(probe.PlaneFiles, "look for "+c.what+" among your files", func(context.Context, probe.Target) probe.Observation {
			return c.look(u)
		}).WithEffect(probe.Reads()),
		Control: probe.New(probe.PlaneFiles, "look for "+c.what+" where there is one", func(context.Context, probe.Target) probe.Observation {
			return c.lookAtControl(u.region)
		}).WithEffect(probe.Reads()),
	}
	if c.lacks != nil {
		s.Missing = c.lacks(u)
	}
	if c.restsOn != nil {
		s.Settings = c.restsOn(u)
	}
	if c.role != "" {
		s.Roles = []pki.Role{c.role}
	}
	return posture.New(s)
}

// fileChecks returns the checks of the user's own files.
func (s Source) fileChecks() ([]posture.Check, error) {
	var all []posture.Check
	for _, c := range allFileChecks(s.roles()) {
		check, err := c.check(s.userFiles(c.role))
		if err != nil {
			return nil, err
		}
		all = append(all, check)
	}
	return all, nil
}

// checkFiles returns what the checks find in the user's own files: those that one of the names means, or all without names.
func checkFiles(ctx context.Context, s Source, names ...string) ([]finding.Finding, error) {
	checks, err := s.fileChecks()
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, err := posture.Choose(checks, name)
		return err != nil // a check of clients, of which there are none
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

// FileChecks returns the checks of a user's own files, of servers and of clients: those that can be chosen by name. They have
// nothing to look at.
func FileChecks() ([]posture.Check, error) {
	nothing := agentconf.Files{agentconf.NewFile("", nil)}
	return Source{Configuration: &spec.Configuration{
		Server: spec.AgentConfiguration{Files: nothing}, Client: spec.AgentConfiguration{Files: nothing},
	}}.fileChecks()
}

// choose sorts the names of checks: those of checks of files, and all others. A pattern may be in both. Names that mean
// nothing are among the others, for whose checks they are an error.
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
		if notOther == nil || notFile != nil {
			others = append(others, name)
		}
	}
	return ofFiles, others, nil
}
