// Package rollout changes a running lab in order: which node, what changes there, how it takes effect, and what is awaited
// before the next node.
package rollout
