package certificate_test

import (
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/pki"
)

// nameCase is a certificate by its names, and what is to be said of it.
type nameCase struct {
	name     string
	cn       string
	dns      []string
	title    string
	opens    []certificate.Endpoint // of region global
	problems []string
}

// nameCases returns every kind of names: those of the matrix of a posture, and more.
func nameCases() []nameCase {
	const (
		https, rpc, node = certificate.HTTPS, certificate.RPC, certificate.NodeRegister

		server, client, eu = "server of region global", "client of region global", "server of region eu"
	)
	type endpoints = []certificate.Endpoint
	all, web, ordinary := certificate.Endpoints(), endpoints{https}, endpoints{https, rpc}
	return []nameCase{
		{"server", "server.global.nomad", []string{"server.global.nomad", "localhost"}, server, all, nil},
		{"client", "client.global.nomad", []string{"client.global.nomad", "localhost"}, client, endpoints{https, rpc, node}, nil},
		{"cli", "cli.global.nomad", []string{"cli.global.nomad"}, "cli of region global", web, nil},
		{"server of another region", "", []string{"server.eu.nomad", "localhost"}, eu, ordinary, nil},
		{"client of another region", "", []string{"client.eu.nomad", "localhost"}, "client of region eu", web, nil},
		{"longer domain", "", []string{"server.evil.example.nomad", "localhost"}, "server of region evil.example", ordinary, []string{"name-with-longer-domain"}},
		{"no region", "", []string{"server.nomad", "localhost"}, "no role of Nomad", web, []string{"name-without-region"}},
		{"wildcard", "", []string{"*.global.nomad"}, "no role of Nomad", web, []string{"wildcard"}},
		{"capitals", "", []string{"SERVER.GLOBAL.NOMAD", "localhost"}, "no role of Nomad", web, []string{"name-in-capitals"}},
		{"capital region", "", []string{"server.Global.nomad", "localhost"}, "server of region Global", ordinary, nil},
		{"web", "web.example.com", []string{"web.example.com"}, "no role of Nomad", web, nil},
		{"no name", "", nil, "no role of Nomad", web, nil},
		{"domain of its own", "server.global.lab.test", []string{"server.global.lab.test", "localhost"}, "no role of Nomad", web, []string{"name-of-another-domain"}},
		{"domain of its own, and Nomad's", "", []string{"server.global.lab.test", "server.global.nomad", "localhost"}, server, all, nil},
		{"common name alone", "server.global.nomad", nil, server, all, []string{"common-name-alone"}},
		{"SAN alone", "", []string{"server.global.nomad", "localhost"}, server, all, nil},
		{"CN server, SAN client", "server.global.nomad", []string{"client.global.nomad", "localhost"}, server + " and " + client, all, []string{"second-role"}},
		{"CN client, SAN server", "client.global.nomad", []string{"server.global.nomad", "localhost"}, client + " and " + server, all, []string{"second-role"}},
		{"two regions", "", []string{"server.global.nomad", "server.eu.nomad", "localhost"}, server + " and " + eu, all, []string{"second-region"}},
	}
}

// TestNames: role, region and endpoints are those that Nomad reads from the names, and names that it does not read are a problem.
func TestNames(t *testing.T) {
	a := authority(t, pki.Options{})
	for _, test := range nameCases() {
		t.Run(test.name, func(t *testing.T) {
			c := judged(t, trusting(t, a), named(t, a, test.cn, test.dns...).CertPEM)
			if c.Title() != test.title {
				t.Errorf("it is %q, want %q", c.Title(), test.title)
			}
			if got := certificate.OpenIn(c.Opens, "global"); !slices.Equal(got, test.opens) {
				t.Errorf("it opens %q, want %q", got, test.opens)
			}
			if n := strings.Count(c.OpensText(), "RPC of every region") + strings.Count(c.OpensText(), "RPC of global, node"); n > 1 {
				t.Errorf("it opens RPC twice: %s", c.OpensText())
			}
			if got := ids(c.Problems); !slices.Equal(got, test.problems) && len(got)+len(test.problems) > 0 {
				t.Errorf("problems %q, want %q", got, test.problems)
			}
			complete(t, c.Problems)
		})
	}
}
