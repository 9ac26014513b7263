// Package reader reads certificates from files, folders and live ports, for package certificate to judge. It changes nothing, and
// sends to a port nothing but a TLS handshake.
package reader
