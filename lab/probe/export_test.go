package probe

// ServerNameOn searches for the name of the server that a caller asks for in its TLS handshake, which is sent in plaintext
// before the keys are agreed on (RFC 8446, 4.1.2; RFC 6066, 3). It is found where TLS is spoken.
func ServerNameOn(p Plane) PacketSearch {
	return PacketSearch{Plane: p, For: "the server name of a TLS handshake", text: func(run TrafficRun) string { return run.Target.ServerName }}
}
