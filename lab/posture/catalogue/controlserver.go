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

// controlServer is a listener of this program that has the property that a search looks for, or the reason why there
// is none.
type controlServer struct {
	probe.ControlServer
	missing string
}

// atControlServer returns the probe of the same search at the control server. It first sends the request without the
// search to the agent: if the agent does not accept the caller, what the control server shows proves nothing about
// the agent.
func (c maybeCaller) atControlServer(d controlServer, try, search func(probe.Caller) probe.Probe) maybeProbe {
	return c.sends(func(as probe.Caller) probe.Probe {
		ask, found := try(as), probe.AtControlServer(search(as), d.ControlServer)
		if d.missing != "" {
			return unavailable(d.missing, found).probe
		}
		return probe.New(found.Plane, found.Sentence, func(ctx context.Context, t probe.Target) probe.Observation {
			if o := ask.Observe(ctx, t); o.Outcome != probe.Accepted {
				return o
			}
			return found.Observe(ctx, t)
		}).WithEffect(ask.Effect().And(found.Effect())).OnlyFor(ask.Inapplicable)
	})
}

// presenting returns a control server with a certificate from the template. The title follows "a listener of our
// own".
func presenting(title string, f pki.Template) controlServer {
	d := controlServer{ControlServer: probe.ControlServer{Title: title}}
	if err := d.setCertificate(f); err != nil {
		d.missing = fmt.Sprintf("no certificate for a listener of our own could be made: %v", err)
	}
	return d
}

// setCertificate issues the control server's certificate, by an authority that no cluster has. The authority outlives a
// certificate of ten years, and may sign for authorities.
func (s *controlServer) setCertificate(f pki.Template) error {
	authority, err := pki.NewAuthority(pki.Options{CommonName: "Control server CA", TTL: 11 * 365 * 24 * time.Hour, Intermediates: 1})
	if err != nil {
		return err
	}
	credential, err := authority.IssueTemplate(f)
	if err != nil {
		return err
	}
	if s.Certificate, err = credential.TLSCertificate(); err != nil {
		return err
	}
	s.ClientCAs, err = credential.Pool()
	return err
}

// soundTemplate returns a certificate whose names are right.
func soundTemplate(role pki.Role, region string) pki.Template {
	identity := pki.Identity{Role: role, Region: region}
	return pki.Template{Holder: identity, CommonName: identity.Name(), DNSNames: []string{identity.Name(), "localhost"}}
}

// trustingControlAuthority returns a control server that asks for certificates of an authority that no cluster has.
func trustingControlAuthority() controlServer {
	return presenting("that takes certificates of an authority called Control server CA", soundTemplate(pki.Server, pki.DefaultRegion))
}

// answeringHeader returns a control server whose answers have the header.
func answeringHeader(name, value string) controlServer {
	d := presenting(fmt.Sprintf("whose answers bear the header %q", name+": "+value), soundTemplate(pki.Server, pki.DefaultRegion))
	d.Header = http.Header{name: {value}}
	return d
}

// answeringBody returns a control server whose answers have the body.
func answeringBody(title, body string) controlServer {
	d := presenting(title, soundTemplate(pki.Server, pki.DefaultRegion))
	d.Body = body
	return d
}

// names returns all names of the certificate, its common name first.
func names(c *x509.Certificate) []string {
	return append([]string{c.Subject.CommonName}, c.DNSNames...)
}
