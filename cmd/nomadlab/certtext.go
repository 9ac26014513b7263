package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"nomadlab.internal/lab/certificate"
)

// certLabel is the width of the labels in the description of a certificate.
const certLabel = 8

// certificates prints what is said of certificates, a paragraph for each, and the sum.
func (c console) certificates(r certificate.Report) {
	certs, keys := 0, 0
	for _, p := range r.Places {
		c.place(r, p)
		certs, keys = certs+len(p.Certificates), keys+len(p.Keys)
	}
	sum := count(certs, "certificate")
	if keys > 0 {
		sum += " and " + count(keys, "private key")
	}
	if n := r.Problems(); n > 0 {
		c.out.printf("%s: %s", sum, c.out.bad(count(n, "problem")))
		return
	}
	c.out.printf("%s: %s", sum, c.out.good("nothing is wrong"))
}

// place prints one place. Its keys are told beside their certificates; one of a certificate that was read elsewhere needs no
// paragraph of its own.
func (c console) place(r certificate.Report, p certificate.Place) {
	if len(p.Certificates) == 0 && len(p.Problems) == 0 {
		return
	}
	for _, cert := range p.Certificates {
		c.out.printf("%s: %s", c.out.bold(placeTitle(p)), c.certTitle(cert))
		c.certificate(r, cert)
		for _, problem := range cert.Problems {
			c.problem(problem)
		}
	}
	if len(p.Certificates) == 0 {
		c.out.printf("%s: %s", c.out.bold(placeTitle(p)), keyTitle(p))
	}
	c.port(p.Port)
	for _, problem := range p.Problems {
		c.problem(problem)
	}
	c.out.printf("")
}

// placeTitle returns the name of a place, with what it is if it is no PEM file.
func placeTitle(p certificate.Place) string {
	switch {
	case p.Port != nil:
		return fmt.Sprintf("%s (%s, %s)", p.Name, p.Port.Protocol, p.Port.TLS)
	case p.Format != "PEM":
		return fmt.Sprintf("%s (%s)", p.Name, p.Format)
	default:
		return p.Name
	}
}

// keyTitle says what a place without certificates is.
func keyTitle(p certificate.Place) string {
	switch {
	case len(p.Keys) == 1 && p.Keys[0].Kind != "":
		return "private key, " + p.Keys[0].Kind
	case len(p.Keys) > 0:
		return "private key"
	default:
		return "not read"
	}
}

// certTitle returns whom the certificate is for; a warning colour if Nomad reads no role from it.
func (c console) certTitle(cert certificate.Certificate) string {
	if cert.Kind == certificate.Holder && len(cert.Roles) == 0 {
		return c.out.uneasy(cert.Title()) + " (" + certificate.ShortName(cert.Subject) + ")"
	}
	if cert.Kind == certificate.Authority {
		return cert.Title() + " (" + certificate.ShortName(cert.Subject) + ")"
	}
	return cert.Title()
}

// certificate prints the properties of a certificate, one a line.
func (c console) certificate(r certificate.Report, cert certificate.Certificate) {
	if cert.Kind == certificate.Holder {
		c.line("names", cert.NamesText())
	}
	opens := cert.OpensText()
	if opens == "nothing" {
		opens = c.out.bad(opens)
	}
	c.line("opens", opens)
	c.line("valid", c.validity(r.Judged, cert))
	c.line("issuer", cert.IssuerText())
	c.line("key", keyText(r, cert))
	c.line("for", cert.PurposeText())
	for _, note := range cert.Notes {
		c.line("note", note)
	}
}

// keyText returns the kind of a certificate's key, and where the key is.
func keyText(r certificate.Report, cert certificate.Certificate) string {
	if cert.KeyIn == "" {
		return cert.KeyKind
	}
	at := slices.IndexFunc(r.Places, func(p certificate.Place) bool { return p.Name == cert.KeyIn })
	if at < 0 || r.Places[at].Mode == "" {
		return fmt.Sprintf("%s, in %s", cert.KeyKind, cert.KeyIn)
	}
	return fmt.Sprintf("%s, in %s (%s)", cert.KeyKind, cert.KeyIn, r.Places[at].Mode)
}

// validity returns until when a certificate is valid, and how long that is.
func (c console) validity(now time.Time, cert certificate.Certificate) string {
	at := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
	switch {
	case now.After(cert.NotAfter):
		return c.out.bad(fmt.Sprintf("until %s, over since %s", at(cert.NotAfter), span(now.Sub(cert.NotAfter))))
	case now.Before(cert.NotBefore):
		return c.out.bad(fmt.Sprintf("from %s, in %s", at(cert.NotBefore), span(cert.NotBefore.Sub(now))))
	default:
		return fmt.Sprintf("until %s, for another %s", at(cert.NotAfter), span(cert.NotAfter.Sub(now)))
	}
}

// port prints what a live port said to its caller.
func (c console) port(p *certificate.Port) {
	if p == nil {
		return
	}
	switch {
	case p.Asks && len(p.Accepts) > 0:
		c.line("callers", "must show a certificate of "+acceptedText(p.Accepts))
	case p.Asks:
		c.line("callers", "must show a certificate")
	case p.Protocol == "HTTPS":
		c.line("callers", c.out.uneasy("need no certificate (verify_https_client is off)"))
	default:
		c.line("callers", c.out.uneasy("need no certificate"))
	}
	if p.Refusal != "" {
		c.line("refused", "this caller, once its certificate was read: "+p.Refusal)
	}
}

// acceptedText returns the authorities that a port accepts, in short.
func acceptedText(names []string) string {
	var all []string
	for _, n := range names {
		all = append(all, certificate.ShortName(n))
	}
	return strings.Join(all, " or ")
}

// problem prints one thing that is wrong, what Nomad does with it, and the remedy.
func (c console) problem(p certificate.Problem) {
	effect := map[certificate.Effect]string{
		certificate.Refused: "refused", certificate.NotStarted: "no agent starts with it", certificate.Unnoticed: "Nomad says nothing",
	}[p.Effect]
	c.line(c.out.bad("problem"), fmt.Sprintf("%s %s", p.What, c.out.faint("["+p.ID+": "+effect+"]")))
	c.line(c.out.good("remedy"), p.Remedy)
}

// line prints a label and a text beside it.
func (c console) line(label, value string) {
	pad := strings.Repeat(" ", max(0, certLabel-text.StringWidthWithoutEscSequences(label)))
	c.out.printf("  %s%s %s", label, pad, c.out.wrapped(value, strings.Repeat(" ", certLabel+3)))
}

// certificateChanges prints a comparison: what has changed, a paragraph for each certificate.
func (c console) certificateChanges(compared certificate.Comparison) {
	same := 0
	for _, p := range compared.Pairs {
		if len(p.Changes) == 0 {
			same++
			continue
		}
		where := p.Old + " → " + p.New
		switch {
		case p.New == "":
			where = p.Old
		case p.Old == "":
			where = p.New
		}
		c.out.printf("%s: %s", c.out.bold(p.Name), c.out.faint(where))
		for _, ch := range p.Changes {
			if ch.Worse {
				ch.Text = c.out.bad(ch.Text)
			}
			c.line(ch.What, ch.Text)
		}
		c.out.printf("")
	}
	switch changed := len(compared.Pairs) - same; {
	case changed == 0:
		c.out.printf("nothing has changed: %s", count(same, "certificate"))
	case compared.Worse():
		c.out.printf("%s, %s", changedCount(changed, same), c.out.bad("some for the worse"))
	default:
		c.out.printf("%s, %s", changedCount(changed, same), c.out.good("nothing for the worse"))
	}
}

// changedCount says how many certificates have changed.
func changedCount(changed, same int) string {
	words := count(changed, "certificate") + " changed"
	if same > 0 {
		words += fmt.Sprintf(", %d did not", same)
	}
	return words
}
