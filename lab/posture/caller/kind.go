package caller

import (
	"fmt"
	"strings"

	"nomadlab.internal/lab/pki"
)

// Kind is what somebody holds. Its text is stable: reports and their readers keep it. The zero Kind is none of Kinds.
type Kind string

// The kinds whose certificates are right in all but their names.
const (
	Server            Kind = "server"
	Client            Kind = "client"
	CLI               Kind = "cli"
	OtherServer       Kind = "server-of-another-region"
	OtherClient       Kind = "client-of-another-region"
	OtherDomain       Kind = "server-in-a-longer-domain"
	NoRegion          Kind = "server-without-region"
	Wildcard          Kind = "wildcard"
	Capitals          Kind = "capitals"
	Web               Kind = "web"
	CNServerSANClient Kind = "cn-server-san-client"
	CNClientSANServer Kind = "cn-client-san-server"
	CNServerOnly      Kind = "cn-server-only"
	SANServerOnly     Kind = "san-server-only"
)

// The kinds whose certificates are a server's of the right region, with that one thing wrong; and None, who holds none.
const (
	Foreign             Kind = "foreign"
	SelfSigned          Kind = "self-signed"
	IntermediateSent    Kind = "intermediate-sent"
	IntermediateMissing Kind = "intermediate-missing"
	Expired             Kind = "expired"
	NotYetValid         Kind = "not-yet-valid"
	ServerAuthOnly      Kind = "server-auth-only"
	ClientAuthOnly      Kind = "client-auth-only"
	CodeSigningOnly     Kind = "code-signing-only"
	NoEKU               Kind = "no-eku"
	RSA1024             Kind = "rsa-1024"
	Ed25519             Kind = "ed25519"
	None                Kind = "none"
)

// Kinds are all kinds, in the order of a report's rows, in a slice of the caller's own.
func Kinds() []Kind {
	return []Kind{
		Server, Client, CLI,
		OtherServer, OtherClient, OtherDomain, NoRegion, Wildcard, Capitals, Web,
		CNServerSANClient, CNClientSANServer, CNServerOnly, SANServerOnly,
		Foreign, SelfSigned, IntermediateSent, IntermediateMissing, Expired, NotYetValid,
		ServerAuthOnly, ClientAuthOnly, CodeSigningOnly, NoEKU, RSA1024, Ed25519,
		None,
	}
}

// Title says in words what the kind holds, with names of region global for an example: "a client's certificate of
// another region (client.eu.nomad)". It follows "with" in a sentence. Of a kind that is none of Kinds it is the kind itself.
func (k Kind) Title() string { return k.title(pki.DefaultRegion) }

// title is Title for a region.
func (k Kind) title(region string) string {
	if k == None {
		return "no certificate"
	}
	if f, is := defective()[k]; is {
		return f.title
	}
	if n, is := named(region)[k]; is {
		return fmt.Sprintf(n.title, n.name)
	}
	return string(k)
}

// names are those of a certificate that is right in all else.
type names struct {
	// title is the format of a title, in which name stands.
	title, name string
	commonName  string
	dnsNames    []string
}

// one is a certificate with one name beside localhost, as `nomad tls cert create` gives it.
func one(title, name string) names {
	return names{title: title, name: name, commonName: name, dnsNames: []string{name, "localhost"}}
}

// named are the kinds that differ in their names, for a cluster's region.
func named(region string) map[Kind]names {
	server, client, cli := tlsName(pki.Server, region), tlsName(pki.Client, region), tlsName(pki.CLI, region)
	other := another(region)
	return map[Kind]names{
		Server:      one("a server's certificate (%s)", server),
		Client:      one("a client's certificate (%s)", client),
		CLI:         one("a cli certificate (%s)", cli),
		OtherServer: one("a server's certificate of another region (%s)", tlsName(pki.Server, other)),
		OtherClient: one("a client's certificate of another region (%s)", tlsName(pki.Client, other)),
		OtherDomain: one("a server's certificate of a longer domain (%s)", "server.evil.example.nomad"),
		NoRegion:    one("a server's certificate without a region (%s)", "server.nomad"),
		Wildcard:    one("a wildcard certificate (%s)", "*."+region+".nomad"),
		Capitals:    one("a server's certificate in capitals (%s)", strings.ToUpper(server)),
		Web:         one("a web server's certificate of the same authority (%s)", "web.example.com"),
		CNServerSANClient: {"a certificate for a server by its common name and a client by its DNS name (%s)",
			server + " and " + client, server, []string{client}},
		CNClientSANServer: {"a certificate for a client by its common name and a server by its DNS name (%s)",
			client + " and " + server, client, []string{server}},
		CNServerOnly:  {"a server's certificate without DNS names (%s)", server, server, nil},
		SANServerOnly: {"a server's certificate without a common name (%s)", server, "", []string{server}},
	}
}

// defect is what is wrong with a server's certificate of the right names.
type defect struct {
	title  string
	defect pki.Defect
}

// defective are the kinds that differ in one thing other than their names.
func defective() map[Kind]defect {
	return map[Kind]defect{
		Foreign:             {"a server certificate of a foreign authority", pki.Foreign()},
		SelfSigned:          {"a self-signed server certificate", pki.SelfSigned()},
		IntermediateSent:    {"a server certificate of an intermediate authority that is sent along", pki.IntermediateSent()},
		IntermediateMissing: {"a server certificate whose intermediate authority is not sent along", pki.IntermediateMissing()},
		Expired:             {"a server certificate that has expired", pki.Expired()},
		NotYetValid:         {"a server certificate that is not yet valid", pki.NotYetValid()},
		ServerAuthOnly:      {"a server certificate for server authentication only", pki.ServerAuthOnly()},
		ClientAuthOnly:      {"a server certificate for client authentication only", pki.ClientAuthOnly()},
		CodeSigningOnly:     {"a server certificate for code signing only", pki.CodeSigningOnly()},
		NoEKU:               {"a server certificate without extended key usage", pki.NoEKU()},
		RSA1024:             {"a server certificate with an RSA key of 1024 bits", pki.WeakKey()},
		Ed25519:             {"a server certificate with an Ed25519 key", pki.Ed25519()},
	}
}
