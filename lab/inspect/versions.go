package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"nomadlab.internal/lab/advisory"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

const (
	// membersPath lists every server that an agent knows, with its build tag. It takes node:read if ACLs are on
	// (nomad/status_endpoint.go:95).
	membersPath = "/v1/agent/members"
	// accountPath is an agent's configuration, with its version. It takes agent:read if ACLs are on
	// (command/agent/agent_endpoint.go:72).
	accountPath = "/v1/agent/self"
)

// builds are the versions of Nomad that one agent reports.
type builds struct {
	// of has the version of each server that the agent knows, by name, and of a client itself.
	of map[string]string
	// unread says why not all of them could be read; "" if all were.
	unread string
}

// askVersions asks the agents for the versions of Nomad, and sets what may be sent to each. A server may forward a request to any
// other, so the versions of all servers count for each; if one of them cannot be read, only reads are sent to any. A client answers
// some requests itself, so for a client its own version counts too. It returns notes for the report.
func (s *subject) askVersions(ctx context.Context) []string {
	told := make([]builds, len(s.targets))
	var agents errgroup.Group
	agents.SetLimit(agentsAtOnce)
	for i, t := range s.targets {
		agents.Go(func() error {
			if !s.unmet[t.Name] {
				told[i] = s.buildsAt(ctx, t)
			}
			return nil
		})
	}
	_ = agents.Wait() // none of them returns an error
	unread, all := "", map[string]string{}
	for i, t := range s.targets {
		maps.Copy(all, told[i].of)
		if t.Role == pki.Server {
			unread = cmp.Or(unread, told[i].unread)
		}
	}
	versions := slices.Compact(slices.Sorted(maps.Values(all)))
	for i, t := range s.targets {
		*s.targets[i].Bounds = probe.Bounds{Versions: versions, Unread: cmp.Or(unread, told[i].unread)}
		s.targets[i].Nomad = cmp.Or(told[i].of[t.Member], told[i].of[t.Name])
		if s.unmet[t.Name] {
			*s.targets[i].Bounds = probe.Bounds{}
		}
	}
	if unread == "" {
		s.cluster.Nomad = strings.Join(versions, ", ")
	}
	return slices.Concat(versionNotes(all), s.sentNotes(unread, told), s.tokenNotes())
}

// versionNotes returns a note for each version, with the agents that run it.
func versionNotes(all map[string]string) []string {
	runs := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		runs[all[name]] = append(runs[all[name]], name)
	}
	var notes []string
	for _, version := range slices.Sorted(maps.Keys(runs)) {
		notes = append(notes, fmt.Sprintf("Nomad %s runs on %s", version, fewOf(runs[version])))
	}
	return notes
}

// advisories returns a note for each version of Nomad that an agent runs and that a known advisory affects.
func (s *subject) advisories() []string {
	var notes []string
	for _, t := range s.targets {
		if text := advisory.Summary(t.Nomad); text != "" && !slices.Contains(notes, text) {
			notes = append(notes, text)
		}
	}
	return notes
}

// namedInNotes is the number of agents that a note names at most.
const namedInNotes = 8

// fewOf lists the first few names.
func fewOf(names []string) string {
	if len(names) <= namedInNotes {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:namedInNotes], ", "), len(names)-namedInNotes)
}

// sentNotes returns notes about what is sent, and to which agents less is sent.
func (s *subject) sentNotes(unread string, told []builds) []string {
	if unread != "" {
		return []string{"reads alone are sent, as not every server's version could be read: " + unread}
	}
	notes := []string{"beside reads, those requests alone are sent of which it was verified that each of these versions refuses them without effect"}
	for i, t := range s.targets {
		if t.Role == pki.Client && told[i].unread != "" {
			notes = append(notes, fmt.Sprintf("reads alone are sent to %s: %s", t.Name, told[i].unread))
		}
	}
	return notes
}

// tokenNotes returns a note for each agent to which the token is not sent.
func (s *subject) tokenNotes() []string {
	var notes []string
	for _, t := range s.targets {
		if s.ingredients.Management != "" && t.NoToken != "" && !s.unmet[t.Name] {
			notes = append(notes, fmt.Sprintf("no token is sent to %s: %s", t.Name, t.NoToken))
		}
	}
	return notes
}

// buildsAt asks one agent for the versions of the servers that it knows, and a client for its own version too.
func (s *subject) buildsAt(ctx context.Context, t probe.Target) builds {
	b := builds{of: map[string]string{}}
	b.unread = s.read(ctx, t, membersPath, func(body []byte) error {
		var answer struct {
			Members []struct {
				Name string
				Tags map[string]string
			}
		}
		if err := json.Unmarshal(body, &answer); err != nil || len(answer.Members) == 0 {
			return errors.New("the answer is no list of servers")
		}
		for _, m := range answer.Members {
			if m.Tags["build"] == "" {
				return fmt.Errorf("the server %q has no build tag", m.Name)
			}
			b.of[m.Name] = m.Tags["build"]
		}
		return nil
	})
	if t.Role != pki.Client {
		return b
	}
	own := s.read(ctx, t, accountPath, func(body []byte) error {
		var answer struct {
			Config struct {
				Version struct{ Version, VersionPrerelease, VersionMetadata string }
			} `json:"config"`
		}
		if err := json.Unmarshal(body, &answer); err != nil || answer.Config.Version.Version == "" {
			return errors.New("the answer does not tell the agent's version")
		}
		b.of[t.Name] = buildTag(answer.Config.Version.Version, answer.Config.Version.VersionPrerelease, answer.Config.Version.VersionMetadata)
		return nil
	})
	b.unread = cmp.Or(b.unread, own)
	return b
}

// buildTag returns a version as a server's build tag has it (version/version.go:74, VersionNumber).
func buildTag(version, prerelease, metadata string) string {
	if prerelease != "" {
		version += "-" + prerelease
	}
	if metadata != "" {
		version += "+" + metadata
	}
	return version
}

// read passes the agent's answer at the path to into. It asks without a token first, and with one if that is denied. It returns why
// it failed, or "".
func (s *subject) read(ctx context.Context, t probe.Target, path string, into func(body []byte) error) (why string) {
	as, lacks := s.ingredients.Callers.ForHTTPS()
	if lacks != "" {
		return lacks
	}
	as = as.OrPlaintext() // for an agent that speaks no TLS, to which no token is sent
	askers := []probe.Caller{as}
	if s.ingredients.Management != "" {
		askers = append(askers, as.WithToken(s.ingredients.Management, "a management token"))
	}
	for _, as := range askers {
		p := probe.HTTPSearch(probe.Request{Path: path}, as, probe.AnswerSearch{For: "an answer", In: func(_ http.Header, body []byte) (bool, string, error) {
			return true, "", into(body)
		}})
		if withheld := p.Inapplicable(t); withheld != "" {
			return why + ", and no token is sent to it"
		}
		o := p.Observe(ctx, t)
		if o.Outcome == probe.Found {
			return ""
		}
		why = fmt.Sprintf("%s gives no answer to GET %s that tells it: %s: %s", t.Name, path, o.Outcome, cmp.Or(o.Received, o.Err))
		if o.Outcome != probe.Denied {
			return why
		}
	}
	return why
}
