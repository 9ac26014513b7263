// Package matrix tries every kind of certificate at every entry of a server, and compares what happens with what Nomad is
// known to do: a table of who gets in where. Unlike a check, a cell asks for no configuration in particular; most of what
// it shows no setting of Nomad changes.
package matrix
