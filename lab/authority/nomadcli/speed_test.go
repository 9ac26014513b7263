package nomadcli_test

import (
	"testing"

	"nomadlab.internal/lab/authority"
	"nomadlab.internal/lab/authority/nomadcli"
	"nomadlab.internal/lab/pki"
)

// BenchmarkLab makes the certificates of a default lab: three servers, two clients, the user.
func BenchmarkLab(b *testing.B) {
	m := newMachine(b)
	for b.Loop() {
		var requests []authority.Request
		for _, role := range []pki.Role{pki.Server, pki.Server, pki.Server, pki.Client, pki.Client, pki.CLI} {
			requests = append(requests, request(role))
		}
		if _, err := nomadcli.New(b.Context(), nomadcli.Options{}, m.run, requests...); err != nil {
			b.Fatal(err)
		}
	}
}
