// Package observe watches a running lab and records what changes: leaders, members, certificates served and allocations. It
// judges nothing.
package observe
