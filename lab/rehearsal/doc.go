// Package rehearsal carries out a planned change of a user's own cluster on a lab, before it is carried out on the cluster: a lab
// runs the old configuration under load, the change is rolled out node by node, and a verdict says what it cost.
//
// It is a package of its own, beside regress, which reads the configurations: it needs the rollout, the load and the watchers of
// a live lab, which the checks of a configuration do not.
package rehearsal
