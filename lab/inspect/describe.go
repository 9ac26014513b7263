package inspect

import (
	"context"
	"crypto/x509"
	"slices"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
)

// describe returns the lab as a report shows it, with the extra nodes named in members and no others.
func describe(ctx context.Context, l *lab.Lab, members []string) finding.Cluster {
	status := l.Status(ctx)
	c := finding.Cluster{Name: l.Name(), Engine: l.Engine()}
	var versions []string
	for _, n := range status.Nodes {
		if n.ExtraNode && !slices.Contains(members, n.Name) {
			continue
		}
		versions = append(versions, n.Nomad)
		node := finding.Node{
			Name: n.Name, Role: string(n.Role), Region: n.Region, Address: n.Address, HTTP: n.HTTP, Leader: n.Leader, State: n.State,
		}
		if live, err := l.Node(n.Name); err == nil {
			node.RPC = hostPort(live.RPC())
			if shown, err := live.Certificate(ctx); err == nil {
				c.Certificates = append(c.Certificates, certificate(n.Name, shown))
			}
		}
		c.Nodes = append(c.Nodes, node)
	}
	c.Certificates = append(c.Certificates, certificatesOf(l.Credential())...)
	slices.Sort(versions)
	c.Nomad = strings.Join(slices.DeleteFunc(slices.Compact(versions), func(v string) bool { return v == "" }), ", ")
	return c
}

// certificatesOf returns the certificate and the authorities of a credential, as far as they can be read.
func certificatesOf(c pki.Credential) []finding.Certificate {
	var all []finding.Certificate
	if leaf, err := c.Leaf(); err == nil {
		all = append(all, certificate(string(c.Identity.Role), leaf))
	}
	authorities, err := c.Authorities()
	if err != nil {
		return all
	}
	for _, a := range authorities {
		all = append(all, certificate("authority", a))
	}
	return all
}

// certificate returns a certificate as a report shows it.
func certificate(holder string, c *x509.Certificate) finding.Certificate {
	return finding.Certificate{
		Holder: holder, Subject: c.Subject.String(), Issuer: c.Issuer.String(), Names: c.DNSNames, Key: pki.KeyKind(c),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter,
	}
}
