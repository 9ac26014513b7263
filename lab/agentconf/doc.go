// Package agentconf writes the configuration of Nomad agents, reads and changes configurations of others, one setting at a
// time, and removes the secrets of configuration that is shown.
//
// Two kinds of reader read the files that it writes. Nomad parses them with HCL version 1 (command/agent/config_parse.go:72
// and :79 of Nomad 1.11.3); editors, formatters and this project's own tools parse them with HCL version 2. So the output uses
// only what both accept and understand alike:
//
//   - blocks are written as `server { … }`;
//   - a map with a dotted key is written as `options = { "fingerprint.denylist" = "…" }`: HCL 2 refuses quoted names inside a
//     block, and for HCL 1 both forms are the same;
//   - a dollar or percent sign before a brace is written as a \u escape, because the escape of HCL 2 (`$${`) is plain text for
//     HCL 1.
//
// Files and Edit read and change whatever Nomad reads, also JSON: HCL 1 itself parses it, and a change replaces the bytes of one
// setting and leaves all others. Then HCL 1 reads the text again, and a change with any other effect is an error.
//
// The generated files are also for learning: every choice that differs from Nomad's default has its reason in a comment.
//
// The package knows no labs, engines or certificates. It uses no disk, network or clock.
package agentconf
