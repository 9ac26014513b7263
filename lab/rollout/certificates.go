package rollout

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/plan"
)

// ErrNoFiles is returned for a node whose certificate is in no file that a rollout can replace: one without TLS, one under
// consul-template, which renews by itself, and one with certificate and key in one file.
var ErrNoFiles = errors.New("the node has no certificate, key and authority in files of their own")

// material are the places of a node's certificate, key and CA bundle.
type material struct{ ca, cert, key plan.File }

func materialOf(n *lab.Node) (material, error) {
	var m material
	for _, f := range n.Plan().Files {
		switch f.Secret {
		case plan.CACertificate:
			m.ca = f
		case plan.Certificate:
			m.cert = f
		case plan.PrivateKey:
			m.key = f
		}
	}
	if m.ca.Path == "" || m.cert.Path == "" || m.key.Path == "" || n.Plan().ConsulTemplate {
		return material{}, fmt.Errorf("%s: %w", n.Name(), ErrNoFiles)
	}
	return m, nil
}

// Issue issues a new certificate for each node, signed by the authority. The names and addresses are those of the node's
// certificate. It returns the errors of pki.Authority.Issue.
func Issue(from *pki.Authority, nodes []*lab.Node) (map[string]pki.Credential, error) {
	out := map[string]pki.Credential{}
	for _, n := range nodes {
		signer := from
		if n.Plan().RSA {
			signer = from.IssuingRSA()
		}
		c, err := signer.Issue(n.Identity())
		if err != nil {
			return nil, fmt.Errorf("issue a certificate for %s: %w", n.Name(), err)
		}
		out[n.Name()] = c
	}
	return out, nil
}

// Renew returns the rollout that gives each node the new certificate of its name, by a reload: new content at the same paths.
// Nodes change in the order given; see Order.
func Renew(nodes []*lab.Node, credentials map[string]pki.Credential) (Plan, error) {
	p := Plan{Title: "renew the certificates"}
	for _, n := range nodes {
		m, err := materialOf(n)
		if err != nil {
			return Plan{}, err
		}
		c, leaf, err := credentialFor(n, credentials)
		if err != nil {
			return Plan{}, err
		}
		p.Steps = append(p.Steps, Step{
			Node: n.Name(), Title: "renew the certificate", Effect: Reload,
			Why:   "a reload reads new content of certificate and key at the same path",
			Files: []File{m.newCert(c), m.newKey(c)},
			Await: append([]Await{Serves(n.Name(), leaf)}, Settled(n)...),
		})
	}
	return p, nil
}

// RenewAtNewPaths is Renew in the other form: certificate and key have new file names, which the agent's configuration names.
func RenewAtNewPaths(ctx context.Context, nodes []*lab.Node, credentials map[string]pki.Credential) (Plan, error) {
	p := Plan{Title: "renew the certificates at new paths"}
	for _, n := range nodes {
		m, err := materialOf(n)
		if err != nil {
			return Plan{}, err
		}
		c, leaf, err := credentialFor(n, credentials)
		if err != nil {
			return Plan{}, err
		}
		next := m
		next.cert.Path, next.key.Path = renamed(m.cert.Path, leaf), renamed(m.key.Path, leaf)
		config, revise, err := repoint(ctx, n, m, next)
		if err != nil {
			return Plan{}, err
		}
		p.Steps = append(p.Steps, Step{
			Node: n.Name(), Title: "renew the certificate in new files", Effect: Reload,
			Why:   "a reload reads tls.cert_file and tls.key_file",
			Files: []File{next.newCert(c), next.newKey(c), config}, Revise: revise,
			Await: append([]Await{Serves(n.Name(), leaf)}, Settled(n)...),
		})
	}
	return p, nil
}

// repoint returns the agent's configuration with the new paths of certificate and key, and what the lab then knows of the node.
func repoint(ctx context.Context, n *lab.Node, from, to material) (File, func(*plan.Node), error) {
	at := slices.IndexFunc(n.Plan().Files, func(f plan.File) bool {
		return path.Ext(f.Path) == ".hcl" && strings.Contains(f.Content, "cert_file")
	})
	if at < 0 {
		return File{}, nil, fmt.Errorf("%s: no file of its configuration sets tls.cert_file", n.Name())
	}
	file := n.Plan().Files[at]
	text, ok, err := n.ReadFile(ctx, file.Path)
	if err != nil || !ok {
		return File{}, nil, fmt.Errorf("read %s of %s: %w", file.Path, n.Name(), errors.Join(err, missing(ok)))
	}
	for setting, value := range map[string]string{"tls.cert_file": to.cert.Path, "tls.key_file": to.key.Path} {
		if text, err = agentconf.Edit(text, setting, fmt.Sprintf("%q", value)); err != nil {
			return File{}, nil, fmt.Errorf("%s of %s: %w", file.Path, n.Name(), err)
		}
	}
	file.Content = string(text)
	revise := func(p *plan.Node) {
		p.Files = slices.Clone(p.Files)
		p.Files[at] = file
		for i, f := range p.Files {
			switch f.Path {
			case from.cert.Path:
				p.Files[i].Path = to.cert.Path
			case from.key.Path:
				p.Files[i].Path = to.key.Path
			}
		}
	}
	return File{Path: file.Path, Mode: file.Mode, What: "agent configuration", Data: text}, revise, nil
}

func missing(ok bool) error {
	if ok {
		return nil
	}
	return errors.New("the node has no such file")
}

// renamed returns the path of a file of the certificate: the serial number is in its name, so that no two renewals share one.
func renamed(file string, leaf *x509.Certificate) string {
	ext := path.Ext(file)
	base := strings.TrimSuffix(file, ext)
	if before, _, again := strings.Cut(base, "."+serialMark); again {
		base = before
	}
	return base + "." + serialMark + shortSerial(leaf) + ext
}

// serialMark begins the part of a file's name that has the serial number.
const serialMark = "serial-"

func credentialFor(n *lab.Node, all map[string]pki.Credential) (pki.Credential, *x509.Certificate, error) {
	c, ok := all[n.Name()]
	if !ok {
		return c, nil, fmt.Errorf("there is no new certificate for %s", n.Name())
	}
	chain, err := c.Chain()
	if err != nil {
		return c, nil, fmt.Errorf("the new certificate for %s: %w", n.Name(), err)
	}
	return c, chain[0], nil
}

func (m material) newCert(c pki.Credential) File {
	return File{Path: m.cert.Path, Mode: m.cert.Mode, What: "certificate", Data: c.CertPEM}
}

func (m material) newKey(c pki.Credential) File {
	return File{Path: m.key.Path, Mode: m.key.Mode, What: "private key", Data: c.KeyPEM}
}

func (m material) newCA(pem []byte) File {
	return File{Path: m.ca.Path, Mode: m.ca.Mode, What: "CA bundle", Data: pem}
}

// Settled are the conditions under which the next node may change: the agent is healthy and, on a server, all servers name one
// leader and reach it, and its autopilot has the server as a voter that keeps up; a client is ready.
func Settled(n *lab.Node) []Await {
	if n.Role() == pki.Client {
		return []Await{Healthy(n.Name()), ClientReady(n.Name())}
	}
	return []Await{Healthy(n.Name()), LeaderKnown(n.Region()), InTouch(n.Name()), Voter(n.Name())}
}
