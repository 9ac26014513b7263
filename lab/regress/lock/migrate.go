package lock

import (
	"crypto/sha256"
	"fmt"
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
		p, err = postureOfVersion1(root, content)
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
	Version  int                    `yaml:"version"`
	Nomad    text                   `yaml:"nomad"`
	Settings map[text]map[text]text `yaml:"settings"`
	Checks   map[string]map[string]struct {
		Verdict string `yaml:"verdict"`
		Outcome string `yaml:"outcome"`
		At      string `yaml:"at"`
		Reason  string `yaml:"reason"`
	} `yaml:"checks"`
	Checksum string `yaml:"checksum"`
}

// postureOfVersion1 reads a lock file of version 1.
func postureOfVersion1(root ast.Node, content []byte) (Posture, error) {
	var f fileOfVersion1
	if err := yaml.NodeToValue(root, &f, yaml.Strict()); err != nil {
		return Posture{}, atLine(err)
	}
	if err := edited(f.Checksum, checksumOfVersion1(content)); err != nil {
		return Posture{}, err
	}
	p := Posture{Nomad: string(f.Nomad), Settings: settingsIn(f.Settings)}
	results := map[string]finding.Result{
		"held": finding.Pass, "broken": finding.Fail, "not carried out": finding.Inconclusive, "skipped": finding.Skipped,
	}
	reasons := strings.NewReplacer(reasonsOfVersion1()...)
	for plane, checks := range f.Checks {
		if plane == "wire" {
			plane = planeNetwork
		}
		for id, c := range checks {
			r := CheckResult{
				ID: strings.Replace(id, "wire-carries-no", "network-carries-no", 1), Plane: plane,
				Result: results[c.Verdict], Outcome: c.Outcome, At: c.At, Reason: reasons.Replace(c.Reason),
			}
			if r.Result == "" {
				return Posture{}, fmt.Errorf("the verdict of %s is %q, which is no verdict of version 1: %s", id, c.Verdict, repair)
			}
			p.Results = append(p.Results, r)
		}
	}
	return p, nil
}

// checksumOfVersion1 returns the checksum that version 1 has for its own text: one line for each value, without comments and
// without the line of the checksum itself.
func checksumOfVersion1(content []byte) string {
	sum := sha256.New()
	for line := range strings.Lines(string(content)) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" || strings.HasPrefix(strings.TrimLeft(line, " "), "#") || strings.HasPrefix(line, "checksum: ") {
			continue
		}
		fmt.Fprintf(sum, "%s\n", line)
	}
	return fmt.Sprintf("sha256:%x", sum.Sum(nil))
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
