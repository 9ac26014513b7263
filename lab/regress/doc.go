// Package regress says what a user's own agent configuration lets in, and what a change of it has gained or lost: it reads
// the configuration, brings up a real cluster with it, and compares what the checks find with a posture that was written
// down before, with another configuration, or with the same one weakened by one setting at a time.
package regress
