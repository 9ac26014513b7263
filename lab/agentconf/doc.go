// Package agentconf writes the configuration of Nomad agents, reads and changes
// that of others, one setting at a time, and takes the secrets out of
// configuration that is to be shown.
//
// The files it writes are read by two kinds of reader. Nomad parses them with
// HCL version 1 (command/agent/config_parse.go:72 and :79 of Nomad 1.11.3);
// editors, formatters and this project's own tools parse them with HCL version 2.
// So the output keeps to what both accept and understand alike:
//
//   - blocks are written as `server { … }`;
//   - a map with a dotted key is written as `options = { "fingerprint.denylist" = "…" }`:
//     HCL 2 refuses quoted names inside a block, and HCL 1 makes no difference
//     between the two forms;
//   - a dollar or percent sign before a brace is written as a \u escape, because
//     HCL 2 has an escape of its own for it (`$${`), which HCL 1 takes literally.
//
// What is read and changed, by Files and Edit, is whatever Nomad takes, JSON too:
// HCL 1 itself parses it, and a change replaces the bytes of one setting and leaves
// all others. Afterwards HCL 1 reads the text again, and a change that did
// anything else is an error.
//
// People read the files too, to learn. Every choice that differs from Nomad's
// default therefore carries its reason in the generated file.
//
// The package knows nothing of labs, engines or certificates: it turns values
// into text, without disk, network or clock.
package agentconf
