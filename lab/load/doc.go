// Package load is work on a lab beside a rollout or a fault: jobs whose allocations must stay, writers, readers, held
// connections and health polls. It records a history, and a checker says afterwards what was lost, stale, late or moved.
package load
