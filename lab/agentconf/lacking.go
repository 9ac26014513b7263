package agentconf

import (
	"fmt"
	"slices"

	"nomadlab.internal/lab/agentconf/model"
)

// Lacking is a setting, or a whole block, that a version of Nomad does not know yet.
type Lacking struct {
	// Setting is its path: of the outermost block of which the version knows nothing, such as server.client_introduction.
	Setting string `json:"setting"`
	// Since is the first release of model.Releases that reads something of it.
	Since string `json:"since"`
}

// String says it in words, such as "server.client_introduction (since 1.11.0)".
func (l Lacking) String() string { return fmt.Sprintf("%s (since %s)", l.Setting, l.Since) }

// Lacking returns what the files say that this version of Nomad does not know yet, each once, in the order of the files. An agent of
// that version refuses most of it ("unexpected keys"; verified with 1.10.5) and ignores the rest. A version that is none, such as
// the empty one, knows everything.
func (f Files) Lacking(version string) []Lacking {
	var out []Lacking
	for _, t := range f.readable() {
		t.root.lacking(nil, version, func(l Lacking) {
			if !slices.Contains(out, l) {
				out = append(out, l)
			}
		})
	}
	return out
}

func (b *body) lacking(above []string, version string, found func(Lacking)) {
	for _, i := range b.items {
		names := append(slices.Clone(above), i.names...)
		if lead, since := model.Unknown(names, version); lead > 0 {
			found(Lacking{Setting: Path(names[:lead]...), Since: since})
			continue
		}
		for _, inner := range i.val.bodies() {
			inner.lacking(names, version, found)
		}
	}
}

// LeaveOut returns one text without what this version of Nomad does not know yet, with a comment in the place of each, and what
// that was. The errors are those of Files.Remove.
func LeaveOut(text []byte, version string) ([]byte, []Lacking, error) {
	files := Files{NewFile("", text)}
	lacking := files.Lacking(version)
	for _, l := range lacking {
		var err error
		if files, err = files.remove(l.Setting, fmt.Sprintf("%s was left out: Nomad %s does not know it", l.Setting, version)); err != nil {
			return nil, nil, fmt.Errorf("leave out %s, which Nomad %s does not know: %w", l.Setting, version, err)
		}
	}
	return files[0].Text(), lacking, nil
}

// Lacks returns whether this version of Nomad does not know a setting yet, and which release is the first that does.
func Lacks(version, path string) (lacking Lacking, lacks bool) {
	names, err := parsePath(path)
	if err != nil {
		return Lacking{}, false
	}
	lead, since := model.Unknown(names, version)
	return Lacking{Setting: path, Since: since}, lead > 0
}
