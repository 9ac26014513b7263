package lab_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
)

// TestNodesThatThereAreNot: what is said of a node that the lab does not have, or of one of another role, is refused, and of one
// that it has it is not.
func TestNodesThatThereAreNot(t *testing.T) {
	on := func(role pki.Role, node string) map[string]lab.Spec {
		return map[string]lab.Spec{
			"settings[0].node":                   {Settings: []lab.Setting{{Role: role, Node: node, Path: "tls.http", Value: "false"}}},
			"certificates.flaws[0].node":         {Certificates: lab.Certificates{Flaws: []lab.CertificateFlaw{{Role: role, Node: node, Flaw: "no-eku"}}}},
			"certificates.names[0].node":         {Certificates: lab.Certificates{Names: []lab.ExtraNames{{Role: role, Node: node, DNSNames: []string{"a.example"}}}}},
			"certificates.roles[0].node":         {Certificates: lab.Certificates{Roles: []lab.OtherRole{{Role: role, Node: node, As: pki.CLI}}}},
			"certificates.trust_foreign[0].node": {Certificates: lab.Certificates{TrustForeign: []lab.ForeignTrust{{Role: role, Node: node}}}},
		}
	}
	for _, node := range []string{"server-9", "client-1"} {
		for field, spec := range on(pki.Server, node) {
			err := spec.Validate()
			if err == nil || !strings.Contains(err.Error(), field+" is \""+node+"\": use one of [server-1 server-2 server-3]") {
				t.Errorf("%s: %s on servers: %v", field, node, err)
			}
		}
	}
	joiner := lab.Joiner{Name: "server-9", Role: pki.Server}
	for field, spec := range on(pki.Server, "server-9") {
		spec.Joiners = []lab.Joiner{joiner}
		if err := spec.Validate(); err != nil {
			t.Errorf("%s: an extra node: %v", field, err)
		}
	}
	for field, spec := range on(pki.Server, "server-3") {
		if err := spec.Validate(); err != nil {
			t.Errorf("%s: a node that there is: %v", field, err)
		}
	}
}
