// Package model is what Nomad 1.11.3 makes of an agent's configuration, without Nomad: its structs, read with its own
// decoder and merged by its rules.
//
// The structs are Nomad's, field by field, with the tags that HCL 1's decoder reads (types.go, which a test holds against
// Nomad's source). So a text is decoded by the very code that decodes it in an agent, with all that this code does to texts
// for booleans and numbers, to blocks that stand twice, to lists and to JSON. What Nomad does beside it, in
// command/agent/config_parse.go and in the Merge functions, is done here by the kind of a field and by the tag merge.
//
// A real agent is asked whether this is so: see the tests.
package model
