// Package inspect turns a lab into what checks are made with: its agents as targets, and its secrets and a workload of the
// checks' own as the catalogue's ingredients.
package inspect
