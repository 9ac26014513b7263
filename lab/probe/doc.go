// Package probe talks to a Nomad agent the way a stranger, a peer or an
// attacker would, and returns what it saw. It never judges: whether an outcome
// is good or bad is for the package that asked.
//
// # What makes an outcome stable
//
// A refusal's text is a race. For one and the same cause a caller may see a TLS
// alert, the end of the stream, a reset or a broken pipe, and under TLS 1.3 the
// caller's handshake is over before the server has looked at its certificate.
// So that ten runs give one outcome, a probe does not write a byte of its
// request before it knows the server's result on the handshake:
//
//   - TLS 1.2 and below: the server verifies before it sends its Finished, so
//     the result is in when the caller's handshake returns.
//   - TLS 1.3: Go's server (every Nomad agent) sends its session ticket after it
//     has verified the caller, and only then (crypto/tls/handshake_server_tls13.go,
//     readClientCertificate). The ticket is the result: what ends the connection
//     before it is a refusal in the handshake, what ends it later is not. A
//     server that sends no ticket within three seconds is taken to have accepted;
//     an end that still comes counts as a refusal in the handshake.
//
// A plaintext caller has no handshake; there, a connection that ends without an
// answer counts as refused in the handshake that the agent insisted on.
//
// # What a probe keeps
//
// An answer's contents are dropped unread, save the text of an error and the
// addresses that Status.Leader gives: answers such as Keyring.Get's or
// /v1/agent/keyring/list's are keys in clear.
package probe
