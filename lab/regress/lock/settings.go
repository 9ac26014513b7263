package lock

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/finding"
)

// settingsOf returns the settings by role and path, each once. If one is given more than once, its values are joined in an
// order of their own, and its place is the last. A lock is committed and stays in the history, so secrets are redacted
// once more.
func settingsOf(given []finding.Setting) []finding.Setting {
	var all []finding.Setting
	var values [][]string
	for _, s := range given {
		s.Role, s.Path = clean(s.Role), clean(s.Path)
		value := agentconf.RedactValue(s.Path, clean(s.Value))
		at := indexOf(all, s)
		if at < 0 {
			at = len(all)
			all, values = append(all, s), append(values, nil)
		}
		values[at] = append(values[at], value)
		s.Value = joined(slices.Clone(values[at]), ", ")
		all[at] = s
	}
	slices.SortFunc(all, byRoleAndPath)
	return all
}

// indexOf returns the index of the setting of that role and path, or -1.
func indexOf(all []finding.Setting, s finding.Setting) int {
	return slices.IndexFunc(all, func(other finding.Setting) bool { return byRoleAndPath(other, s) == 0 })
}

func byRoleAndPath(a, b finding.Setting) int {
	return cmp.Or(strings.Compare(a.Role, b.Role), strings.Compare(a.Path, b.Path))
}

// marked begins the mark of a value.
const marked = "sha256-16:"

// mark returns two bytes of a checksum of the setting: enough to see that the value has changed, too little to guess it.
func mark(s finding.Setting) string {
	sum := sha256.Sum256([]byte(s.Role + "\x00" + s.Path + "\x00" + s.Value))
	return fmt.Sprintf("%s%x", marked, sum[:2])
}

// gossipKeyMark is the path that stands for the servers' gossip key, which no posture has.
const gossipKeyMark = "server.encrypt.mark"

// GossipKeyMark returns the setting by which another gossip key is noticed: the mark of the key. A key that can be guessed
// gets one fixed value, which says no more than the check server-gossip-key-is-secret does.
func GossipKeyMark(role, key string, guessable bool, file string, line int) finding.Setting {
	s := finding.Setting{Role: role, Path: gossipKeyMark, Value: key, File: file, Line: line}
	if s.Value = mark(s); guessable {
		s.Value = "can be guessed"
	}
	return s
}

// noteGossipKey replaces a change of the gossip key's mark by a note: a server that has once started ignores another key
// (command/agent/command.go:381 of Nomad 1.11.3), which a fresh cluster does not show. If one side has no mark, its lock is
// older than marks, or server.encrypt itself differs.
func noteGossipKey(c *finding.Comparison) {
	isMark := func(s finding.SettingChange) bool { return s.Path == gossipKeyMark }
	at := slices.IndexFunc(c.Settings, isMark)
	if at < 0 {
		return
	}
	s := c.Settings[at]
	c.Settings = slices.DeleteFunc(c.Settings, isMark)
	if s.Before == "" || s.After == "" {
		return
	}
	where := ""
	if s.File != "" {
		where = fmt.Sprintf(" (%s:%d)", s.File, s.Line)
	}
	addNote(c, "server.encrypt"+where+" has another key, which counts only where data_dir/server/serf.keyring is not there yet: "+
		"a cluster that runs goes on with the old one until `nomad operator gossip keyring` changes it")
}

// addNote adds a sentence to the comparison's note.
func addNote(c *finding.Comparison, sentence string) {
	if c.Note != "" {
		c.Note += ". "
	}
	c.Note += sentence
}
