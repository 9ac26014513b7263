// Package posture builds checks of Nomad agents and runs them.
//
// A check is a probe, the outcome that is wanted, the reason with its source, and a control: the same probe with the
// one thing put right, which must have the opposite outcome. A refusal without a control proves nothing, as a dead
// port refuses too. So New builds no check without a control, and the control is sent before and after the probe: an
// agent that dies in between is not taken for one that refuses.
package posture
