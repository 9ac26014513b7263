// Package lock tells what a change of a configuration does to the promises that rest on it. A Posture is how every
// promise ended, without anything that differs from one run to the next; it is kept as a lock, a file that is committed
// beside the configuration; and two of them are compared, each change with the setting that most likely made it.
package lock
