package agentconf

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mostPlaces bounds how many lines MentionedIn returns.
const mostPlaces = 3

// telling is how long the name of a setting must be to point at it: "name" and "http" stand in many messages.
const telling = 8

// MentionedIn returns the lines that a message of Nomad's is most likely about: those whose text stands in it in quotes, or else
// those whose name does. No line: it mentions none. A message may mention a line that it is not about.
func (f Files) MentionedIn(message string) []Setting {
	var byText, byName []Setting
	for _, path := range f.Paths() {
		line, stands := f.Counts(path)
		if !stands {
			continue
		}
		place := Setting{Line: line, Path: path}
		if text, err := strconv.Unquote(line.Value); err == nil && text != "" && strings.Contains(message, strconv.Quote(text)) {
			byText = append(byText, place)
		}
		name := path[strings.LastIndex(path, ".")+1:]
		if len(name) >= telling && regexp.MustCompile(`(?i)\b`+regexp.QuoteMeta(name)+`\b`).MatchString(message) {
			byName = append(byName, place)
		}
	}
	found := byText
	if len(found) == 0 {
		found = byName
	}
	return slices.Clip(found[:min(len(found), mostPlaces)])
}

// Setting is a setting at its place.
type Setting struct {
	Line
	// Path is its path, such as server.raft_multiplier.
	Path string
}

// String is the place and the setting: "server.hcl:7: server.raft_multiplier".
func (s Setting) String() string { return s.File + ":" + strconv.Itoa(s.Number) + ": " + s.Path }

// Pointing is a line of a message that points at those places; empty for none.
func Pointing(places []Setting) string {
	if len(places) == 0 {
		return ""
	}
	words := make([]string, len(places))
	for i, p := range places {
		words[i] = p.String()
	}
	return "\nlook at " + strings.Join(words, ", ")
}
