// Package posture holds checks: promises about a Nomad agent that can be tried.
//
// A check is a probe, the outcome that is wanted of it, the reason why, and a
// positive control: the same probe with the one thing put right, which must have
// the opposite outcome. A refusal without its control proves nothing, as a dead
// port refuses too; so New builds no check without one, and Evaluate runs it both
// before and after the probe, so that an agent that died in between is not taken
// for one that refused.
package posture
