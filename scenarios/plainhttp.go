package scenarios

import "nomadlab.internal/lab/scenario"

// plainHTTP proves that an agent with mutual TLS answers nothing in the clear.
func plainHTTP() scenario.Scenario {
	return scenario.Scenario{
		Name:  "plain-http-is-rejected",
		Claim: "Nobody gets an answer from an agent without TLS, on its HTTP port or on its RPC port.",
		Steps: func() []scenario.Step {
			return []scenario.Step{
				{Title: "Every agent's HTTP port answers plain HTTP with 400 and says why", Do: checks("*-https-refuses-plaintext")},
				{
					Title: "Every server's RPC port closes a connection that does not begin with TLS",
					Do:    checks("rpc-refuses-plaintext-*", "raft-refuses-plaintext"),
				},
			}
		},
	}
}
