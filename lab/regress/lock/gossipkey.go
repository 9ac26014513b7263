package lock

import (
	"fmt"
	"slices"

	"nomadlab.internal/lab/finding"
)

// gossipKeyMark is the setting that stands for the servers' gossip key, which no posture has: by it another key is noticed.
const gossipKeyMark = "server.encrypt.mark"

// GossipKeyMark is the setting by which a posture knows the gossip key of one configuration from that of another. Of a random key it has
// the two bytes that a mark has. One that can be guessed has a mark that says no more than the check server-gossip-key-is-secret does:
// two such keys are not known apart.
func GossipKeyMark(role, key string, guessable bool, file string, line int) finding.Setting {
	s := finding.Setting{Role: role, Path: gossipKeyMark, Value: key, File: file, Line: line}
	if s.Value = mark(s); guessable {
		s.Value = "can be guessed"
	}
	return s
}

// tellGossipKey says what another gossip key does, which fresh clusters do not show: nothing, where a server has begun with one
// (command/agent/command.go:381 of Nomad 1.11.3). A lock of before these marks has none, and is not known to differ.
func tellGossipKey(c *finding.Comparison) {
	isMark := func(s finding.SettingChange) bool { return s.Path == gossipKeyMark }
	at := slices.IndexFunc(c.Settings, isMark)
	if at < 0 {
		return
	}
	s := c.Settings[at]
	c.Settings = slices.DeleteFunc(c.Settings, isMark)
	if s.Before == "" || s.After == "" {
		return // with a key or without one: server.encrypt itself differs
	}
	where := ""
	if s.File != "" {
		where = fmt.Sprintf(" (%s:%d)", s.File, s.Line)
	}
	addNote(c, "server.encrypt"+where+" has another key, which counts only where data_dir/server/serf.keyring is not there yet: "+
		"a cluster that runs goes on with the old one until `nomad operator gossip keyring` changes it")
}

// addNote adds a sentence to what the comparison says of itself.
func addNote(c *finding.Comparison, sentence string) {
	if c.Note != "" {
		c.Note += ". "
	}
	c.Note += sentence
}
