// Package tlsfile finds the files of certificates and private keys that a user brings, and says why a certificate is not
// accepted. It judges no layout and knows no configuration.
package tlsfile
