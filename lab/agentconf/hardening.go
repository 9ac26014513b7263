package agentconf

// What only a hardened lab asks for: each is left out where it is not set, so that all other files stay as short.

func (a Agent) writeACL(root section) {
	if !a.ACL {
		return
	}
	root.gap()
	root.comment("Whoever calls without a token may do next to nothing. Every agent needs this for itself: a\n" +
		"client without it would serve the logs and files of its tasks to anybody who has a\n" +
		"certificate.")
	root.block("acl").flag("enabled", true)
}

func (t TLS) writeMinVersion(tls section) {
	if t.MinVersion == "" {
		return
	}
	tls.gap()
	tls.comment("The oldest version that both ports speak. tls12 is Nomad's default; it stands here so that a\n" +
		"change of it is seen.")
	tls.text("tls_min_version", t.MinVersion)
}

func (s Server) writeClientIntroduction(server section) {
	if s.ClientIntroduction == "" {
		return
	}
	server.gap()
	server.comment("What becomes of a client that registers for the first time without an introduction token,\n" +
		"which somebody who may write nodes must have made for it. strict refuses it: a certificate\n" +
		"alone then adds no node. The default, warn, lets it in.")
	server.block("client_introduction").text("enforcement", s.ClientIntroduction)
}
