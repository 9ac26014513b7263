package catalogue

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// control server is a listener of our own at which a look must find what it looks for, or what lacks to have one.
type controlServer struct {
	probe.ControlServer
	missing string
}

// at is the step of the same look at the control server. What the look does without looking is tried at the agent first: where that
// does not let the caller in, what is found at a control server proves nothing of it.
func (h maybeCaller) atControlServer(d controlServer, try, search func(probe.Caller) probe.Probe) maybeProbe {
	return h.sends(func(as probe.Caller) probe.Probe {
		ask, found := try(as), probe.AtControlServer(search(as), d.ControlServer)
		if d.missing != "" {
			return unavailable(d.missing, found).probe
		}
		return probe.New(found.Plane, found.Sentence, func(ctx context.Context, t probe.Target) probe.Observation {
			if o := ask.Observe(ctx, t); o.Outcome != probe.Accepted {
				return o
			}
			return found.Observe(ctx, t)
		}).Classed(ask.Effect().And(found.Effect())).Only(ask.Inapplicable)
	})
}

// strangers are the authority of the control servers. It outlives a certificate of ten years, and may sign for authorities.
func controlAuthority() (*pki.Authority, error) {
	return pki.NewAuthority(pki.Options{CommonName: "Control server CA", TTL: 11 * 365 * 24 * time.Hour, Intermediates: 1})
}

// presenting is a control server whose certificate is forged; the title follows "a listener of our own".
func presenting(title string, f pki.Template) controlServer {
	d := controlServer{ControlServer: probe.ControlServer{Title: title}}
	if err := d.setCertificate(f); err != nil {
		d.missing = fmt.Sprintf("no certificate for a listener of our own could be made: %v", err)
	}
	return d
}

// forge makes the control server's certificate.
func (d *controlServer) setCertificate(f pki.Template) error {
	authority, err := controlAuthority()
	if err != nil {
		return err
	}
	credential, err := authority.IssueTemplate(f)
	if err != nil {
		return err
	}
	if d.Certificate, err = credential.TLSCertificate(); err != nil {
		return err
	}
	pool, err := credential.Pool()
	if err != nil {
		return err
	}
	d.ClientCAs = pool
	return nil
}

// sound are the names of a certificate with nothing wrong about its names.
func soundTemplate(role pki.Role, region string) pki.Template {
	identity := pki.Identity{Role: role, Region: region}
	return pki.Template{Holder: identity, CommonName: identity.Name(), DNSNames: []string{identity.Name(), "localhost"}}
}

// trustingStrangers is a control server that takes certificates of an authority that no cluster has.
func trustingControlAuthority() controlServer {
	return presenting("that takes certificates of an authority called Control server CA", soundTemplate(pki.Server, pki.DefaultRegion))
}

// answering is a control server whose answers bear the header.
func answeringHeader(name, value string) controlServer {
	d := presenting(fmt.Sprintf("whose answers bear the header %q", name+": "+value), soundTemplate(pki.Server, pki.DefaultRegion))
	d.Header = http.Header{name: {value}}
	return d
}

// telling is a control server whose answers are this body.
func answeringBody(title, body string) controlServer {
	d := presenting(title, soundTemplate(pki.Server, pki.DefaultRegion))
	d.Body = body
	return d
}

// names are all names of the certificate, its common name first.
func names(c *x509.Certificate) []string {
	return append([]string{c.Subject.CommonName}, c.DNSNames...)
}
