// Package spectest has what the tests of several packages share: a lab that runs a user's configuration, and what they demand of an
// error about a Spec. No program imports it.
package spectest

import (
	"errors"
	"fmt"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/spec"
)

// GossipSecret is in the user's configuration, and nowhere that is shown.
const GossipSecret = "dVPlufFjUOQuaP87qGEvVKnHxbz55Ze9DPwVHP3FsFg="

// Configured returns a lab that runs a user's configuration: three servers, and a client that has these lines besides.
func Configured(client string) spec.Spec {
	const tls = `
tls {
  http = true
  rpc = true
  ca_file   = "/etc/nomad.d/ca.pem"
  cert_file = "/etc/nomad.d/agent.pem"
  key_file  = "/etc/nomad.d/agent-key.pem"
}
`
	clients := 1
	return spec.Spec{
		Hardened: true, Regions: []spec.Region{{Clients: &clients}},
		Configuration: &spec.Configuration{
			Server: spec.AgentConfiguration{Files: agentconf.Files{
				agentconf.NewFile("mine/server.hcl", []byte("server {\n  enabled = true\n  bootstrap_expect = 3\n}\nports { http = 14646 }\n"+tls)),
				agentconf.NewFile("other/server.hcl", []byte(`server { encrypt = "`+GossipSecret+`" }`)),
			}},
			Client: spec.AgentConfiguration{Files: agentconf.Files{agentconf.NewFile("client.hcl", []byte("client { enabled = true }\n"+tls+client))}},
		},
	}
}

// Problems returns the problems that the error names. It returns an error if that is no *spec.InvalidError, does not wrap
// spec.ErrInvalid, or has not a line for every problem.
func Problems(err error) ([]spec.Problem, error) {
	invalid, ok := errors.AsType[*spec.InvalidError](err)
	if !ok {
		return nil, fmt.Errorf("error %w, want an *InvalidError", err)
	}
	if !errors.Is(err, spec.ErrInvalid) {
		return nil, fmt.Errorf("%q does not wrap ErrInvalid", err.Error())
	}
	var lines []string
	for _, p := range invalid.Problems {
		lines = append(lines, p.Field+" is "+p.Found+": "+p.Mend)
	}
	if want := strings.Join(lines, "\n"); want != err.Error() {
		return nil, fmt.Errorf("the text is\n%s\nwant\n%s", err.Error(), want)
	}
	return invalid.Problems, nil
}
