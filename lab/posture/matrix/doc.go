// Package matrix tries every kind of certificate at every endpoint of a server, and compares the outcome with what
// Nomad is known to do. Unlike a check, a cell requires no configuration: no setting of Nomad changes most of what
// the matrix shows.
package matrix
