package certificate

import (
	"crypto/x509"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/catalogue"
)

// Role is whom Nomad takes a certificate's holder for.
type Role struct {
	Role   pki.Role `json:"role"`
	Region string   `json:"region"`
}

// String returns the role in words: "server of region global".
func (r Role) String() string { return string(r.Role) + " of region " + r.Region }

// Endpoint is what a caller can reach.
type Endpoint string

// The endpoints, as in the matrix of a posture: the HTTP API; an ordinary call such as Status.Leader, or the RPC port's handshake;
// Node.Register; a call for servers alone, such as Eval.Dequeue; Raft.
const (
	HTTPS        Endpoint = "HTTPS"
	RPC          Endpoint = "RPC"
	NodeRegister Endpoint = "node registration"
	ServerOnly   Endpoint = "server-only RPC"
	Raft         Endpoint = "Raft"
)

// Endpoints returns all endpoints.
func Endpoints() []Endpoint { return []Endpoint{HTTPS, RPC, NodeRegister, ServerOnly, Raft} }

// Opening is an endpoint that a certificate opens.
type Opening struct {
	Endpoint Endpoint `json:"endpoint"`
	// Region is the region of the agents. Empty: of every region.
	Region string `json:"region,omitempty"`
}

// namesOf returns the names from which Nomad reads roles: the common name and the DNS names.
// They are printable: what is said of them goes to terminals.
func namesOf(c *x509.Certificate) []string {
	var names []string
	met := map[string]bool{}
	for _, name := range append([]string{c.Subject.CommonName}, c.DNSNames...) {
		if name = printable(name); name != "" && !met[name] {
			met[name] = true
			names = append(names, name)
		}
	}
	return names
}

// RolesOf returns the roles that Nomad reads from the names of a certificate, each once: it goes by the common name and by any DNS
// name (nomad/server.go:634, nomad/rpc.go:156), and only by small letters.
func RolesOf(c *x509.Certificate) []Role {
	var roles []Role
	met := map[Role]bool{}
	for _, name := range namesOf(c) {
		n, is := catalogue.ParseRoleName(name)
		r := Role{Role: pki.Role(n.Role), Region: n.Region}
		if is && n.LetsIn && !met[r] {
			met[r] = true
			roles = append(roles, r)
		}
	}
	return roles
}

// OpeningsOf returns what the names of a certificate open, once its chain, life and usage are accepted. HTTPS checks no names. A
// server of one region may make ordinary calls in every region (nomad/server.go:647), and everything else in its own
// (nomad/rpc.go:919); a client may make ordinary calls and register in its own.
func OpeningsOf(c *x509.Certificate) []Opening {
	open, met := []Opening{{Endpoint: HTTPS}}, map[Opening]bool{}
	add := func(e Endpoint, region string) {
		if o := (Opening{e, region}); !met[o] {
			met[o] = true
			open = append(open, o)
		}
	}
	regional := func(e Endpoint, region string) {
		if region != "" { // as in server..nomad: no agent is of that region
			add(e, region)
		}
	}
	roles := RolesOf(c)
	for _, r := range roles {
		switch r.Role {
		case pki.Server:
			add(RPC, "")
		case pki.Client:
			regional(RPC, r.Region)
		}
	}
	for _, r := range roles {
		if r.Role == pki.Server || r.Role == pki.Client {
			regional(NodeRegister, r.Region)
		}
	}
	for _, e := range []Endpoint{ServerOnly, Raft} {
		for _, r := range roles {
			if r.Role == pki.Server {
				regional(e, r.Region)
			}
		}
	}
	if slices.Contains(open, Opening{Endpoint: RPC}) { // every region includes a client's own
		open = slices.DeleteFunc(open, func(o Opening) bool { return o.Endpoint == RPC && o.Region != "" })
	}
	return open
}

// OpenIn returns the endpoints of agents of a region that are among the openings.
func OpenIn(open []Opening, region string) []Endpoint {
	var all []Endpoint
	for _, e := range Endpoints() {
		if slices.Contains(open, Opening{Endpoint: e}) || slices.Contains(open, Opening{e, region}) {
			all = append(all, e)
		}
	}
	return all
}

// nameProblems returns what is wrong with the names of a holder's certificate.
func nameProblems(c *x509.Certificate) []Problem {
	var all []Problem
	roles := RolesOf(c)
	for _, name := range namesOf(c) {
		p, wrong := roleNameProblem(name)
		if !wrong && len(roles) == 0 {
			p, wrong = otherDomainProblem(name)
		}
		if wrong {
			all = append(all, p)
		}
	}
	return append(all, roleProblems(c, roles)...)
}

// roleNameProblem returns what is wrong with a name that has the form of a role's, or nearly.
func roleNameProblem(name string) (p Problem, wrong bool) {
	n, is := catalogue.ParseRoleName(name)
	first, _, _ := strings.Cut(name, ".")
	switch {
	case strings.Contains(name, "*"):
		return Problem{"wildcard", Unnoticed,
			name + " is a wildcard: Nomad reads no role from it, but a caller with verify_server_hostname takes its holder for a server of any name that it covers",
			"issue one that names the role and region, such as server.global.nomad"}, true
	case is && !n.LetsIn:
		return Problem{"name-in-capitals", Refused, name + " is in capitals, and Nomad reads no role from it", "issue one with " + strings.ToLower(name)}, true
	case is && n.Region == "":
		return Problem{"name-without-region", Refused, name + " names an empty region, which no agent is of: only its ordinary RPC is accepted",
			"issue one with " + first + ".global.nomad, or the region that the agent is of"}, true
	case is && strings.Contains(n.Region, "."):
		return Problem{"name-with-longer-domain", Refused,
			name + " is for Nomad a " + n.Role + " of a region called " + n.Region + ", which no agent is of: only its ordinary RPC is accepted",
			"issue one with " + n.Role + ".REGION.nomad, and put other domains among its further names"}, true
	case isRole(first) && name == first+".nomad":
		return Problem{"name-without-region", Refused, name + " names no region, and Nomad reads no role from it", "issue one with " + first + ".global.nomad, or the region that the agent is of"}, true
	default:
		return Problem{}, false
	}
}

// otherDomainProblem returns the problem of a name that would be a role's in the domain nomad.
func otherDomainProblem(name string) (p Problem, wrong bool) {
	_, is := catalogue.ParseRoleName(name)
	first, _, _ := strings.Cut(name, ".")
	return Problem{"name-of-another-domain", Refused,
		name + " does not end in .nomad, and Nomad reads roles from such names alone (as `nomad tls cert create -domain` makes them)",
		"issue one that names " + first + ".REGION.nomad as well, for example with -additional-dnsname instead of -domain"}, isRole(first) && !is && strings.Count(name, ".") > 1
}

// isRole reports whether a label is the name of a role.
func isRole(label string) bool {
	return slices.Contains([]pki.Role{pki.Server, pki.Client, pki.CLI}, pki.Role(label))
}

// roleProblems returns what is wrong with the roles of a holder's certificate.
func roleProblems(c *x509.Certificate, roles []Role) []Problem {
	var all []Problem
	for _, r := range roles[min(1, len(roles)):] {
		if r.Role != roles[0].Role {
			all = append(all, Problem{"second-role", Unnoticed,
				"it is " + roles[0].String() + " and " + r.String() + " at once: Nomad gives its holder the rights of both",
				"issue one for each role"})
			break
		}
	}
	for _, r := range roles[min(1, len(roles)):] {
		if !strings.EqualFold(r.Region, roles[0].Region) {
			all = append(all, Problem{"second-region", Unnoticed,
				"it is accepted in region " + roles[0].Region + " and in region " + r.Region + ", at Raft too if it is a server's",
				"issue one for each region"})
			break
		}
	}
	if isAgents(roles) {
		all = append(all, addressProblems(c, roles)...)
	}
	return all
}

// isAgents reports whether one of the roles is that of an agent.
func isAgents(roles []Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return r.Role == pki.Server || r.Role == pki.Client })
}

// addressProblems returns what is wrong with the names by which callers verify an agent.
func addressProblems(c *x509.Certificate, roles []Role) []Problem {
	nameOf := func(r Role) string { return string(r.Role) + "." + r.Region + ".nomad" }
	verified := func(r Role) bool { return isAgents([]Role{r}) && c.VerifyHostname(nameOf(r)) == nil }
	name := nameOf(roles[slices.IndexFunc(roles, func(r Role) bool { return isAgents([]Role{r}) })])
	switch loopback := slices.ContainsFunc(c.IPAddresses, isLoopback); {
	case !slices.ContainsFunc(roles, verified) && printable(c.Subject.CommonName) == name:
		return []Problem{{"common-name-alone", Refused,
			name + " is its common name alone: Nomad reads the role there, but callers that verify names look at DNS names alone, and refuse an agent that presents it",
			"issue one with " + name + " and localhost among its DNS names"}}
	case c.VerifyHostname("localhost") != nil && !loopback:
		return []Problem{{"role-alone", Refused,
			"it names neither localhost nor 127.0.0.1: commands on the agent's own machine refuse it unless they are given -tls-server-name",
			"issue one that names localhost and 127.0.0.1 as well, as `nomad tls cert create` does"}}
	default:
		return nil
	}
}
