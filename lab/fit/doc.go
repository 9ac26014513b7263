// Package fit makes a user's agent configuration run as one node of a lab. It lists each line that it had to change, with the
// reason.
//
// Whatever checks judge stays as it is. What a lab cannot have, such as the address of another machine, is changed in place or
// removed. What only the lab knows, such as the node's folder, is in a file of the lab's own, which comes last. The package is
// a pure function of the files and of the place: it uses no disk, no network and no clock.
package fit
