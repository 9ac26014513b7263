// Package lock compares postures. A Posture is the results of all checks with one configuration, without anything that
// differs from run to run. It is kept as a lock file, which is committed beside the configuration. Compare names, for each
// result that differs between two postures, the setting that most likely made the difference.
package lock
