package agentconf

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mostPlaces bounds how many lines MentionedIn returns.
const mostPlaces = 3

// minNameLength is how long the name of a setting must be to count: "name" and "http" are in many messages.
const minNameLength = 8

// MentionedIn returns the lines that a message of Nomad is most likely about: those whose value is in the message in
// quotes or, if there is none, those whose name is. It returns nil if the message mentions no line. A message may mention
// a line that it is not about.
func (f Files) MentionedIn(message string) []Setting {
	var byText, byName []Setting
	for _, path := range f.Paths() {
		line, stands := f.EffectiveLine(path)
		if !stands {
			continue
		}
		place := Setting{Line: line, Path: path}
		if text, err := strconv.Unquote(line.Value); err == nil && text != "" && strings.Contains(message, strconv.Quote(text)) {
			byText = append(byText, place)
		}
		name := path[strings.LastIndex(path, ".")+1:]
		if len(name) >= minNameLength && regexp.MustCompile(`(?i)\b`+regexp.QuoteMeta(name)+`\b`).MatchString(message) {
			byName = append(byName, place)
		}
	}
	found := byText
	if len(found) == 0 {
		found = byName
	}
	return slices.Clip(found[:min(len(found), mostPlaces)])
}

// Setting is a setting and its place.
type Setting struct {
	Line
	// Path is its path, such as server.raft_multiplier.
	Path string
}

// String returns the place and the setting: "server.hcl:7: server.raft_multiplier".
func (s Setting) String() string { return s.File + ":" + strconv.Itoa(s.Number) + ": " + s.Path }

// Pointing returns a line of text that names those places; empty for none.
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
