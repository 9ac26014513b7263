package agentconf

import "github.com/hashicorp/hcl/v2/hclwrite"

// Gossip returns a configuration file that holds a server's gossip key and
// nothing else, so that every other file can be shown. Nomad merges it with the
// server block of the other file. Give it to servers alone: clients do not gossip.
//
// The key is base64 of 16, 24 or 32 random bytes; Nomad refuses to start with
// anything else (command/agent/command.go:374-378). It counts only on a server's
// first start: from then on the keyring in the data directory does
// (command/agent/command.go:379-382). The zero key means that gossip is not
// encrypted: the result is nil, there is no file to write.
func Gossip(key string) []byte {
	if key == "" {
		return nil
	}
	file := hclwrite.NewEmptyFile()
	server := section{file.Body()}.block("server")
	server.comment("The key of gossip, the same on every server of all federated regions. Keep this file secret.")
	server.text("encrypt", key)
	return file.Bytes()
}
