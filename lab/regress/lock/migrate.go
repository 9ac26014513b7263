package lock

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"nomadlab.internal/lab/finding"
)

// Migrate returns a lock file of version 1 in the present version: the same settings and results, in the present words.
// It returns a lock file of the present version as it is, and changed is false. Errors are those of ReadLock; a lock that
// was edited by hand is one, so that no edit becomes part of a posture.
func Migrate(name string, content []byte) (migrated []byte, changed bool, err error) {
	root, version, err := parse(content)
	var p Posture
	switch {
	case err != nil:
	case version == formatVersion:
		_, err = posture(root)
	default:
		p, err = postureOfVersion1(root)
	}
	if err != nil {
		return nil, false, fmt.Errorf("%w %s: %w", ErrLock, name, err)
	}
	if version == formatVersion {
		return content, false, nil
	}
	return p.Lock(), true, nil
}

// fileOfVersion1 is the content of a lock file of version 1.
type fileOfVersion1 struct {
	Version  int                               `yaml:"version"`
	Nomad    text                              `yaml:"nomad"`
	Settings map[text]map[text]text            `yaml:"settings"`
	Checks   map[text]map[text]checkOfVersion1 `yaml:"checks"`
	Checksum string                            `yaml:"checksum"`
}

type checkOfVersion1 struct {
	Verdict text `yaml:"verdict"`
	Outcome text `yaml:"outcome"`
	At      text `yaml:"at"`
	Reason  text `yaml:"reason"`
}

// postureOfVersion1 reads a lock file of version 1. Its planes and checks are read in order, so that of two checks that get
// one ID the second is always the one that is refused.
func postureOfVersion1(root ast.Node) (Posture, error) {
	var f fileOfVersion1
	if err := yaml.NodeToValue(root, &f, yaml.Strict()); err != nil {
		return Posture{}, atLine(err)
	}
	if err := edited(f.Checksum, fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(f.content())))); err != nil {
		return Posture{}, err
	}
	p := Posture{Nomad: string(f.Nomad), Settings: settingsIn(f.Settings)}
	results := map[text]finding.Result{
		"held": finding.Pass, "broken": finding.Fail, "not carried out": finding.Inconclusive, "skipped": finding.Skipped,
	}
	reasons := strings.NewReplacer(reasonsOfVersion1()...)
	seen := map[string]bool{}
	for _, plane := range slices.SortedFunc(maps.Keys(f.Checks), planesOfVersion1) {
		for _, id := range slices.Sorted(maps.Keys(f.Checks[plane])) {
			c := f.Checks[plane][id]
			r := CheckResult{
				ID: strings.Replace(string(id), "wire-carries-no", "network-carries-no", 1), Plane: string(plane),
				Result: results[c.Verdict], Outcome: string(c.Outcome), At: string(c.At), Reason: reasons.Replace(string(c.Reason)),
			}
			if plane == "wire" {
				r.Plane = planeNetwork
			}
			if r.Result == "" {
				return Posture{}, fmt.Errorf("the verdict of %s is %q, which is no verdict of version 1: %s", id, c.Verdict, repair)
			}
			if seen[r.ID] {
				return Posture{}, fmt.Errorf("the check %q is there twice: %s", r.ID, repair)
			}
			seen[r.ID] = true
			p.Results = append(p.Results, r)
		}
	}
	return p, nil
}

// planesOfVersion1 orders planes as version 1 did: cluster came after wire, and the matrix last.
func planesOfVersion1(a, b text) int {
	rank := func(plane text) int {
		known := []text{"HTTP", "RPC", "Raft", "gossip", "wire"}
		switch at := slices.Index(known, plane); {
		case plane == "matrix":
			return len(known) + 1
		case at < 0:
			return len(known)
		default:
			return at
		}
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b))
}

// content returns the text of a lock file as version 1 wrote it, which is what its checksum is of.
func (f fileOfVersion1) content() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("version: 1")
	if f.Nomad != "" {
		line("nomad: %s", scalarOfVersion1(f.Nomad))
	}
	for i, role := range slices.Sorted(maps.Keys(f.Settings)) {
		if i == 0 {
			line("settings:")
		}
		line("  %s:", scalarOfVersion1(role))
		for _, path := range slices.Sorted(maps.Keys(f.Settings[role])) {
			value := f.Settings[role][path]
			if !regexp.MustCompile(`^(?:true|false|0|[1-9]\d{0,14})$`).MatchString(string(value)) {
				value = text(scalarOfVersion1(value))
			}
			line("    %s: %s", scalarOfVersion1(path), value)
		}
	}
	for i, plane := range slices.SortedFunc(maps.Keys(f.Checks), planesOfVersion1) {
		if i == 0 {
			line("checks:")
		}
		line("  %s:", scalarOfVersion1(plane))
		for _, id := range slices.Sorted(maps.Keys(f.Checks[plane])) {
			c := f.Checks[plane][id]
			parts := []string{"verdict: " + scalarOfVersion1(c.Verdict)}
			for _, part := range []struct{ name, text text }{{"outcome", c.Outcome}, {"at", c.At}, {"reason", c.Reason}} {
				if part.text != "" {
					parts = append(parts, string(part.name)+": "+scalarOfVersion1(part.text))
				}
			}
			line("    %s: {%s}", scalarOfVersion1(id), strings.Join(parts, ", "))
		}
	}
	return b.String()
}

// scalarOfVersion1 returns a text with the quotes that version 1 gave it.
func scalarOfVersion1(t text) string {
	is := func(pattern string) bool { return regexp.MustCompile(pattern).MatchString(string(t)) }
	switch {
	case is(`^(?:\d+ )?[A-Za-z](?:[A-Za-z0-9 ._/()'…-]*[A-Za-z0-9.)…])?$`) && !is(`(?i)^(?:true|false|yes|no|on|off|y|n|null)$`),
		is(`^\d+\.\d+\.\d+(?:[-+][A-Za-z0-9.+-]*[A-Za-z0-9])?$`):
		return string(t)
	case is(`^[ -&(-~]*$`) && strings.Contains(string(t), `"`):
		return "'" + string(t) + "'"
	default:
		return strconv.Quote(string(t))
	}
}

// reasonsOfVersion1 returns the words of reasons that have changed since version 1: the old and the new, in turn. Results
// keep their reasons only in these words, so that Compare of a migrated lock shows what a cluster does otherwise, and
// nothing else.
func reasonsOfVersion1() []string {
	return []string{
		"your certificates were not handed in, and the lab's own stood in for them", "you gave no certificates, so the lab's own were used",
		"your servers' certificate was not handed in, and one of the lab's own stood in for it",
		"you gave no certificate of your servers, so one of the lab's own was used",
		"your clients' certificate was not handed in, and one of the lab's own stood in for it",
		"you gave no certificate of your clients, so one of the lab's own was used",
		"no certificate was handed in or can be read here", "you gave no certificate, and none can be read here",
		"no file of authorities was handed in", "you gave no file of authorities",
		"no certificate of an agent was handed in", "you gave no certificate of an agent",
		"the certificate was handed in, and with its key the agents show which suites they speak",
		"the agents have your certificate, and show which suites they speak with its key",
	}
}
