// Package load is work on a lab beside a rollout or a fault, its history and its checker.
//
// [Start] runs a service job and a batch job whose allocations must stay, writers and readers of variables that go through
// every server in turn, long-lived connections, and polls of every agent's health. [Load.Stop] ends the callers and returns a
// [History] of everything that was called and seen. [History.Judge] says what was lost, stale, late, moved or cut.
//
// Each variable has one writer, which writes the numbers 1, 2, 3 and so on, each with check-and-set on the index of the one
// before. So a repeated write cannot be applied twice, and a lost acknowledged write shows at the latest with the next write,
// which then finds an older number. A write whose answer was lost is settled by what the next attempt finds.
package load
