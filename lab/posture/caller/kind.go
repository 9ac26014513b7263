package caller

import (
	"fmt"
	"strings"

	"nomadlab.internal/lab/pki"
)

// Kind is what a caller has. Its text is stable: it is in reports and lock files. The zero Kind is not one of Kinds.
type Kind string

// The kinds whose certificates have the wrong names, or the right ones of a role.
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

// The kinds whose certificates are a server's of the right region, and which differ in the authorities above them and in what
// their holders send along. IssuedByRoot and IssuerMissing have no defect: whether an agent accepts them depends on its CA bundle.
const (
	Foreign               Kind = "foreign"
	SelfSigned            Kind = "self-signed"
	IssuedByRoot          Kind = "issued-by-root"
	IssuerMissing         Kind = "issuer-missing"
	IntermediateSent      Kind = "intermediate-sent"
	IntermediateMissing   Kind = "intermediate-missing"
	ChainReversed         Kind = "chain-reversed"
	LeafNotFirst          Kind = "leaf-not-first"
	PathLengthExceeded    Kind = "path-length-exceeded"
	InsideConstraints     Kind = "inside-constraints"
	OutsideConstraints    Kind = "outside-constraints"
	CrossSigned           Kind = "cross-signed"
	CrossSignatureMissing Kind = "cross-signature-missing"
)

// The kinds whose certificates are a server's of the right region, with one defect; and None, which has none.
const (
	Expired         Kind = "expired"
	NotYetValid     Kind = "not-yet-valid"
	ServerAuthOnly  Kind = "server-auth-only"
	ClientAuthOnly  Kind = "client-auth-only"
	CodeSigningOnly Kind = "code-signing-only"
	NoEKU           Kind = "no-eku"
	RSA1024         Kind = "rsa-1024"
	Ed25519         Kind = "ed25519"
	None            Kind = "none"
)

// Kinds returns all kinds, in the order of a report's rows.
func Kinds() []Kind {
	return []Kind{
		Server, Client, CLI,
		OtherServer, OtherClient, OtherDomain, NoRegion, Wildcard, Capitals, Web,
		CNServerSANClient, CNClientSANServer, CNServerOnly, SANServerOnly,
		Foreign, SelfSigned, IssuedByRoot, IssuerMissing, IntermediateSent, IntermediateMissing, ChainReversed, LeafNotFirst,
		PathLengthExceeded, InsideConstraints, OutsideConstraints, CrossSigned, CrossSignatureMissing,
		Expired, NotYetValid,
		ServerAuthOnly, ClientAuthOnly, CodeSigningOnly, NoEKU, RSA1024, Ed25519,
		None,
	}
}

// Title returns the kind in words, with example names of region global: "a client's certificate of another region
// (client.eu.nomad)". It follows "with" in a sentence. For a kind that is not one of Kinds it returns the kind
// itself.
func (k Kind) Title() string { return k.title(pki.DefaultRegion) }

// title is Title for a region.
func (k Kind) title(region string) string {
	if k == None {
		return "no certificate"
	}
	if f, is := defective()[k]; is {
		return f.title
	}
	if title, is := anchored()[k]; is {
		return title
	}
	if n, is := named(region)[k]; is {
		return fmt.Sprintf(n.title, n.name)
	}
	return string(k)
}

// names is a certificate without a defect, by its names.
type names struct {
	// title is the format of a title that contains name.
	title, name string
	commonName  string
	dnsNames    []string
}

// one returns a certificate with one name beside localhost, as `nomad tls cert create` makes it.
func one(title, name string) names {
	return names{title: title, name: name, commonName: name, dnsNames: []string{name, "localhost"}}
}

// named returns the kinds that differ in their names, for a cluster's region.
func named(region string) map[Kind]names {
	server, client, cli := tlsName(pki.Server, region), tlsName(pki.Client, region), tlsName(pki.CLI, region)
	other := otherRegion
	if region == otherRegion {
		other = otherThanEU
	}
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

// anchored returns the titles of the kinds without a defect that an agent accepts if its CA bundle holds one particular authority.
func anchored() map[Kind]string {
	return map[Kind]string{
		IssuedByRoot:  "a server certificate that the root of the cluster's authority has issued",
		IssuerMissing: "a server certificate whose issuer, the cluster's authority, is not sent along",
	}
}

// defect is a server's certificate of the right names with one defect.
type defect struct {
	title  string
	defect pki.Defect
}

// defective returns the kinds that have a defect.
func defective() map[Kind]defect {
	return map[Kind]defect{
		Foreign:             {"a server certificate of a foreign authority", pki.Foreign()},
		SelfSigned:          {"a self-signed server certificate", pki.SelfSigned()},
		IntermediateSent:    {"a server certificate of an intermediate authority that is sent along", pki.IntermediateSent()},
		IntermediateMissing: {"a server certificate whose intermediate authority is not sent along", pki.IntermediateMissing()},
		ChainReversed:       {"a server certificate whose chain is sent in the wrong order, root first", pki.ChainReversed()},
		LeafNotFirst:        {"a server certificate that is sent after its authority's", pki.LeafNotFirst()},
		PathLengthExceeded:  {"a server certificate below one authority more than a path length permits", pki.PathLengthExceeded()},
		InsideConstraints:   {"a server certificate inside the name constraints of an authority above it", pki.InsideConstraints()},
		OutsideConstraints:  {"a server certificate with a name outside the name constraints of an authority above it", pki.OutsideConstraints()},
		CrossSigned:         {"a server certificate of another authority, for which the cluster's has signed a certificate that is sent along", pki.CrossSigned()},
		CrossSignatureMissing: {
			"a server certificate of an authority that the cluster's has signed too, without that certificate", pki.CrossSignatureMissing(),
		},
		Expired:         {"a server certificate that has expired", pki.Expired()},
		NotYetValid:     {"a server certificate that is not yet valid", pki.NotYetValid()},
		ServerAuthOnly:  {"a server certificate for server authentication only", pki.ServerAuthOnly()},
		ClientAuthOnly:  {"a server certificate for client authentication only", pki.ClientAuthOnly()},
		CodeSigningOnly: {"a server certificate for code signing only", pki.CodeSigningOnly()},
		NoEKU:           {"a server certificate without extended key usage", pki.NoEKU()},
		RSA1024:         {"a server certificate with an RSA key of 1024 bits", pki.WeakKey()},
		Ed25519:         {"a server certificate with an Ed25519 key", pki.Ed25519()},
	}
}
