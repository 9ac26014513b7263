// Package catalogue holds every promise that a hardened Nomad cluster keeps and that one line of its configuration can
// break, each as a check. What no configuration can switch off, such as that RPC refuses an expired certificate, is not
// here: no cluster would ever be found to break it.
//
// A family of checks is a file. Where servers and clients have a configuration of their own, such as that of their HTTP
// API, there is a check for each of them, whose ID begins with whose door it is.
package catalogue
