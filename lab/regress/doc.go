// Package regress checks a user's own agent configuration. It reads the files, brings up a real cluster with a copy of them, and
// reports what the checks find. It compares two configurations (Diff), and tries mutations of one (Mutate).
package regress
