// Package fit makes an agent configuration that somebody wrote for machines of their own run as one node of a lab, and
// says of each line that is not used as it stands what became of it and why.
//
// What is to be judged stays as it is. What a lab cannot have, such as the address of another machine, is changed where
// it stands or taken out there; what only the lab knows, such as the node's folder, is laid over in a file of the lab's
// own, which comes last. It is a pure function of the files and of the place: no disk, no network, no clock.
package fit
