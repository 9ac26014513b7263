// Package inspect runs the checks of the catalogue against a lab, or against a cluster that is not a lab. It makes
// targets of the agents, and ingredients of the secrets that are at hand and of a sample job.
package inspect
