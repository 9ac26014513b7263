// Package probe calls a Nomad agent the way a user, a peer or an attacker would, and returns what it saw. It never judges:
// whether an outcome is good or bad is for the package that asked.
//
// # What makes an outcome stable
//
// The text of a refusal is a race. For the same cause a caller may see a TLS alert, the end of the stream, a reset or a
// broken pipe, and under TLS 1.3 the caller's handshake is over before the server has looked at its certificate. So that ten
// runs give one outcome, a probe writes no byte of its request before it knows the server's result of the handshake:
//
//   - TLS 1.2 and below: the server verifies before it sends its Finished. The result is known when the caller's handshake
//     returns.
//   - TLS 1.3: Go's server (every Nomad agent) sends its session ticket only after it has verified the caller
//     (crypto/tls/handshake_server_tls13.go, readClientCertificate). The ticket is the result: a connection that ends before
//     it was refused in the handshake, one that ends later was not. A server that sends no ticket within three seconds
//     counts as having accepted; if the connection ends after that, it still counts as refused in the handshake.
//
// A plaintext caller has no handshake. A plaintext connection that ends without an answer counts as refused in the handshake
// that the agent insisted on.
//
// # What a probe keeps
//
// A probe drops the contents of an answer unread, except for the text of an error and the address that Status.Leader
// returns: the answers of Keyring.Get or /v1/agent/keyring/list are keys in clear.
package probe
