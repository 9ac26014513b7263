package inspect

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/internal/userfile"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// Remote is a cluster that is not a lab, as its user knows it.
type Remote struct {
	// Addresses are those of agents' HTTP ports, for example https://10.0.0.5:4646. At least one is required.
	Addresses []string
	// CA, Certificate and Key are files (PEM): the authorities' certificates, the user's own certificate, its key. Required.
	CA, Certificate, Key string
	// TokenFile is the file of a management token; empty: none. The token is sent only to agents whose certificate is valid for the
	// host of the address, for TLSServerName, or, for a server, for server.REGION.nomad. It is never sent in the clear.
	TokenFile string
	// Region is the region whose servers are expected; empty means global.
	Region string
	// TLSServerName is a further name that an agent's certificate may be valid for; empty: none.
	TLSServerName string
}

// Errors that Cluster returns, wrapped, for bad input. Each text says what to do.
var (
	// ErrCredential is for files that cannot be read, do not belong together, or have expired.
	ErrCredential = errors.New("the credential cannot be used")
	// ErrAddress is for what is no agent's address.
	ErrAddress = errors.New("this is no agent's address")
	// ErrUntrusted is for an agent whose certificate has expired, or was not signed by one of the user's authorities.
	ErrUntrusted = errors.New("the agent's certificate cannot be trusted")
	// ErrNoAnswer is for a cluster none of whose agents answers.
	ErrNoAnswer = errors.New("no agent answers")
)

// Cluster runs checks against a cluster that is not a lab, with requests that change nothing. It first asks which versions of Nomad
// run there.
// It then sends only reads, and requests that each of these versions was verified to refuse without effect. The report's notes say
// what was sent. No proxy is used. An agent that has several of the addresses is asked once, at the first. An agent that does not
// answer while others do is in the report. Cluster returns ErrCredential, ErrAddress, ErrUntrusted or ErrNoAnswer, wrapped, if no
// check could run.
func Cluster(ctx context.Context, r Remote, o Options) (finding.Report, error) {
	c, err := r.credential(ctx, time.Now())
	if err != nil {
		return finding.Report{}, err
	}
	token, err := r.token(ctx)
	if err != nil {
		return finding.Report{}, err
	}
	s := subject{unmet: map[string]bool{}, cluster: finding.Cluster{Name: strings.Join(r.Addresses, ", "), Certificates: certificatesOf(c)}}
	authorities, twice, err := s.contactAll(ctx, r, c, token)
	if err != nil {
		return finding.Report{}, err
	}
	s.ingredients = catalogue.Ingredients{
		Callers: caller.WithoutAuthority(c), Region: cmp.Or(r.Region, c.Identity.Region), Management: token, Authorities: authorities,
	}
	o.Destructive = false
	o.NoMatrix = true // almost nothing of it can be probed without the authority's key
	report, err := s.inspect(ctx, o)
	report.Notes = slices.Concat(ofAgent(c), twice, report.Notes)
	return report, err
}

// ofAgent returns a note if the user's own certificate is that of a server or a client.
func ofAgent(c pki.Credential) []string {
	leaf, err := c.Leaf()
	if err != nil {
		return nil // it was read before
	}
	for _, name := range append([]string{leaf.Subject.CommonName}, leaf.DNSNames...) {
		if r, is := catalogue.ParseRoleName(name); is && r.Role != string(pki.CLI) {
			return []string{fmt.Sprintf("the certificate that you ask with names %s: its key can speak as an agent of that name; use the certificate of a user (`nomad tls cert create -cli`)", name)}
		}
	}
	return nil
}

// contactAll adds the agents of all addresses, each once, and returns those of the user's authorities to which their certificates
// lead. twice are notes about addresses that belong to one agent.
func (s *subject) contactAll(ctx context.Context, r Remote, c pki.Credential, token string) (authorities []*x509.Certificate, twice []string, err error) {
	all, err := c.Authorities()
	if err != nil {
		return nil, nil, err
	}
	known := knownAgents{as: probe.As(c), token: token}
	meant := map[*x509.Certificate]bool{}
	var silent []error
	for _, given := range r.Addresses {
		agent, shown, err := r.contact(ctx, given, c)
		if err != nil && !errors.Is(err, ErrNoAnswer) {
			return nil, nil, err
		}
		if before := known.again(ctx, given, agent, shown, err == nil); before != "" {
			twice = append(twice, sameAgent(given, before))
			continue
		}
		if err != nil {
			silent = append(silent, err)
		}
		s.add(agent, err == nil)
		if len(shown) > 0 {
			for _, a := range pki.LeadsTo(shown[0], shown[1:], all) {
				meant[a] = true
			}
		}
	}
	if len(silent) == len(s.targets) {
		return nil, nil, errors.Join(silent...)
	}
	return slices.DeleteFunc(all, func(a *x509.Certificate) bool { return !meant[a] }), twice, nil
}

// sameAgent returns the note that two addresses are one agent's.
func sameAgent(given, before string) string {
	if given == before {
		return fmt.Sprintf("%s was given twice: its agent is asked once", given)
	}
	return fmt.Sprintf("%s is the agent of %s, which is asked once", given, before)
}

// credential reads the user's credential. It returns an error for everything that would make each check fail for the wrong reason.
func (r Remote) credential(ctx context.Context, now time.Time) (pki.Credential, error) {
	var c pki.Credential
	for _, file := range []struct {
		path string
		into *[]byte
	}{{r.CA, &c.CAPEM}, {r.Certificate, &c.CertPEM}, {r.Key, &c.KeyPEM}} {
		content, err := read(ctx, file.path)
		if err != nil {
			return c, err
		}
		if why := pki.WrongFormat(content, file.path); why != "" {
			return c, fmt.Errorf("%w: %s: %s", ErrCredential, file.path, why)
		}
		*file.into = content
	}
	if _, err := c.Authorities(); err != nil {
		return c, fmt.Errorf("%w: %s holds no certificate (PEM): %w", ErrCredential, r.CA, err)
	}
	leaf, err := c.Leaf()
	if err != nil {
		return c, fmt.Errorf("%w: %s holds no certificate (PEM): %w", ErrCredential, r.Certificate, err)
	}
	if _, err := tls.X509KeyPair(c.CertPEM, c.KeyPEM); err != nil {
		return c, fmt.Errorf("%w: %s is not the key of %s: %w", ErrCredential, r.Key, r.Certificate, err)
	}
	switch {
	case now.After(leaf.NotAfter):
		return c, fmt.Errorf("%w: %s expired on %s: have a new one issued", ErrCredential, r.Certificate, leaf.NotAfter.Local().Format(time.DateTime))
	case now.Before(leaf.NotBefore):
		return c, fmt.Errorf("%w: %s is valid from %s on only: is the clock right?", ErrCredential, r.Certificate, leaf.NotBefore.Local().Format(time.DateTime))
	}
	c.Identity = identityOf(leaf.DNSNames, leaf.Subject.CommonName)
	return c, nil
}

// read reads a file of the user's credential, which may be a pipe. It returns ErrCredential, wrapped, unless ctx has ended.
func read(ctx context.Context, path string) ([]byte, error) {
	content, err := userfile.ReadAny(ctx, path)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, fmt.Errorf("read %s: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrCredential, err)
	default:
		return content, nil
	}
}

// token reads the management token.
func (r Remote) token(ctx context.Context) (string, error) {
	if r.TokenFile == "" {
		return "", nil
	}
	content, err := read(ctx, r.TokenFile)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(content))
	if token == "" {
		return "", fmt.Errorf("%w: %s is empty: it should hold the secret ID of a management token", ErrCredential, r.TokenFile)
	}
	return token, nil
}

// identityOf returns the identity that a certificate's names give: the first name in Nomad's form. Names of three labels come before
// longer ones, which may be host names. A name that no host can have, such as a wildcard, does not count. A certificate without such
// a name is a user's.
func identityOf(names []string, commonName string) pki.Identity {
	var longer *pki.Identity
	for _, name := range append(slices.Clone(names), commonName) {
		r, is := catalogue.ParseRoleName(name)
		if !is || (pki.Identity{Role: pki.CLI, DNSNames: []string{name}}).Validate() != nil {
			continue
		}
		id := pki.Identity{Role: pki.Role(r.Role), Region: r.Region}
		if !strings.Contains(r.Region, ".") {
			return id
		}
		longer = cmp.Or(longer, &id)
	}
	return *cmp.Or(longer, &pki.Identity{Role: pki.CLI, Region: pki.DefaultRegion})
}

// add adds an agent. One whose role is not known is tried as a server, but not called one in the report.
func (s *subject) add(agent probe.Target, known bool) {
	s.targets = append(s.targets, agent)
	node := finding.Node{Name: agent.Name, Role: string(agent.Role), Region: agent.Region, HTTP: agent.HTTP}
	if !known {
		node.Role, node.Region = "agent", ""
		s.unmet[agent.Name] = true
	}
	s.cluster.Nodes = append(s.cluster.Nodes, node)
}
