// Package nomadcli issues certificates with `nomad tls ca create` and `nomad tls cert create` of the lab's own Nomad. A [Source]
// runs these commands and no others; it keeps each command line, for reports.
package nomadcli
