package probe_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// selfSigned returns a certificate that no authority of the tests would sign.
func selfSigned(t *testing.T, key crypto.Signer, wrong func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "control server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if wrong != nil {
		wrong(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func ecKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T, bits int) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// defectiveLeaf returns a search in the certificate that was served.
func defectiveLeaf(wrong func(*x509.Certificate) bool) probe.Search {
	return probe.Search{For: "a defect", In: func(o probe.Observation) (bool, string, error) {
		return wrong(o.Served[0]), "a certificate", nil
	}}
}

// Each search finds its thing at the control server that has it, and at no other.
func TestSearchesAtControlServers(t *testing.T) {
	h, other := newCredentials(t), newCredentials(t)
	pool, err := other.server.Pool()
	if err != nil {
		t.Fatal(err)
	}
	plain := selfSigned(t, ecKey(t), nil)
	controlServers := map[string]probe.ControlServer{
		"plain":      {Certificate: plain},
		"short key":  {Certificate: selfSigned(t, rsaKey(t, 1024), nil)},
		"authority":  {Certificate: selfSigned(t, ecKey(t), func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })},
		"ten years":  {Certificate: selfSigned(t, ecKey(t), func(c *x509.Certificate) { c.NotAfter = c.NotBefore.AddDate(10, 0, 0) })},
		"expired":    {Certificate: selfSigned(t, ecKey(t), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })},
		"wildcard":   {Certificate: selfSigned(t, ecKey(t), func(c *x509.Certificate) { c.DNSNames = []string{"*.nomad"} })},
		"another CA": {Certificate: plain, ClientCAs: pool},
		"CORS":       {Certificate: plain, Header: http.Header{"Access-Control-Allow-Origin": {"*"}}},
		"body":       {Certificate: plain, Body: marker},
	}
	searches := map[string]func(p probe.Probe) probe.Probe{
		"short key": searching(func(c *x509.Certificate) bool {
			k, ok := c.PublicKey.(*rsa.PublicKey)
			return ok && k.N.BitLen() < 2048
		}),
		"authority": searching(func(c *x509.Certificate) bool { return c.IsCA }),
		"ten years": searching(func(c *x509.Certificate) bool { return c.NotAfter.Sub(c.NotBefore) > 398*24*time.Hour }),
		"expired":   searching(func(c *x509.Certificate) bool { return c.NotAfter.Before(time.Now()) }),
		"wildcard":  searching(func(c *x509.Certificate) bool { return slices.Contains(c.DNSNames, "*.nomad") }),
		"another CA": func(p probe.Probe) probe.Probe {
			return probe.WithSearch(p, probe.Search{For: "a CA", In: func(o probe.Observation) (bool, string, error) {
				named := func(name []byte) bool { return pki.NameText(name) == "CN=probe test CA" }
				return slices.ContainsFunc(o.AcceptableCAs, named), fmt.Sprintf("%d names", len(o.AcceptableCAs)), nil
			}})
		},
	}
	as := probe.As(h.cli)
	for found, controlServer := range controlServers {
		for name, search := range searches {
			for _, p := range []probe.Probe{search(probe.HTTP("/", as)), search(probe.RPC("Status.Leader", as))} {
				expect(t, probe.AtControlServer(p, controlServer), found, name)
			}
		}
		expect(t, probe.AtControlServer(probe.HTTPSearch(probe.Request{Path: "/"}, as, markerSearch()), controlServer), found, "body")
		expect(t, probe.AtControlServer(probe.HTTPSearch(probe.Request{Path: "/"}, as, probe.AnswerSearch{
			In: func(header http.Header, _ []byte) (bool, string, error) {
				return header.Get("Access-Control-Allow-Origin") == "*", "", nil
			},
		}), controlServer), found, "CORS")
	}
}

func searching(wrong func(*x509.Certificate) bool) func(probe.Probe) probe.Probe {
	return func(p probe.Probe) probe.Probe { return probe.WithSearch(p, defectiveLeaf(wrong)) }
}

// expect wants the search of that name to find its thing only at the control server of the same name. No agent is called.
func expect(t *testing.T, p probe.Probe, controlServer, search string) {
	t.Helper()
	want := probe.Absent
	if controlServer == search {
		want = probe.Found
	}
	if o := p.Observe(t.Context(), target("")); o.Outcome != want {
		t.Errorf("look for %q at %q (%s): outcome %q, want %q: %s %s", search, controlServer, p.Plane, o.Outcome, want, o.Received, o.Err)
	}
}

// A caller at a control server trusts that one certificate only; any other caller trusts no control server.
func TestControlServerIsTrustedAlone(t *testing.T) {
	h := newCredentials(t)
	https := web(t, h.tlsConfig(t))
	var outcomes []probe.Outcome
	get := probe.HTTP("/ok", probe.As(h.cli))
	try := probe.New(probe.PlaneHTTP, "try", func(ctx context.Context, controlServer probe.Target) probe.Observation {
		elsewhere, outsider := controlServer, target(controlServer.HTTP)
		elsewhere.HTTP = https
		for _, at := range []probe.Target{controlServer, elsewhere, outsider} {
			outcomes = append(outcomes, get.Observe(ctx, at).Outcome)
		}
		return probe.Observation{}
	})
	probe.AtControlServer(try, probe.ControlServer{Certificate: selfSigned(t, ecKey(t), nil)}).Observe(t.Context(), target(https))
	want := []probe.Outcome{probe.Accepted, probe.NotReached, probe.NotReached}
	if !slices.Equal(outcomes, want) {
		t.Errorf("at the control server, at an agent with the control server's trust, at the control server with the authority's: %q, want %q", outcomes, want)
	}
}

func TestControlServerIsGoneAfterwards(t *testing.T) {
	h := newCredentials(t)
	for _, plane := range []probe.Plane{probe.PlaneHTTP, probe.PlaneRPC} {
		var at string
		var held net.Conn
		try := probe.New(plane, "try", func(_ context.Context, controlServer probe.Target) probe.Observation {
			at = controlServer.At(plane)
			held, _ = net.Dial("tcp", at)
			return probe.HTTP("/", probe.As(h.cli)).Observe(t.Context(), controlServer)
		})
		probe.AtControlServer(try, probe.ControlServer{Certificate: selfSigned(t, ecKey(t), nil)}).Observe(t.Context(), probe.Target{})
		if conn, err := net.Dial("tcp", at); err == nil {
			conn.Close()
			t.Errorf("%s: a listener is still at %s", plane, at)
		}
		_ = held.SetReadDeadline(time.Now().Add(deadline.Hang))
		if _, err := held.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: a connection is still open: %v", plane, err)
		}
	}
}

func TestControlServersThatCannotBe(t *testing.T) {
	h := newCredentials(t)
	sound := probe.ControlServer{Certificate: selfSigned(t, ecKey(t), nil)}
	for want, p := range map[string]probe.Probe{
		"set ControlServer.Certificate":        probe.AtControlServer(fetch(h), probe.ControlServer{}),
		"the Raft plane has no control server": probe.AtControlServer(sendRequest(h), sound),
		"the probe is empty":                   probe.AtControlServer(probe.Probe{Plane: probe.PlaneHTTP}, sound),
	} {
		if o := p.Observe(t.Context(), target("")); o.Outcome != probe.NotReached || !strings.Contains(o.Err, want) {
			t.Errorf("%q, %q; want %q, %q", o.Outcome, o.Err, probe.NotReached, want)
		}
	}
	p := probe.AtControlServer(fetch(h), probe.ControlServer{Title: "whose certificate signs others"})
	if want := "the same at a listener of our own whose certificate signs others"; p.Sentence != want || p.Plane != probe.PlaneHTTP {
		t.Errorf("%s sentence %q, want %q", p.Plane, p.Sentence, want)
	}
}

// A control server also serves a caller without a certificate, or with a bad one.
func TestControlServerLetsEverybodyIn(t *testing.T) {
	h := newCredentials(t)
	pool, err := h.server.Pool()
	if err != nil {
		t.Fatal(err)
	}
	controlServer := probe.ControlServer{Certificate: selfSigned(t, ecKey(t), nil), ClientCAs: pool}
	for _, as := range []probe.Caller{probe.Anonymous(h.server), probe.As(h.foreign), probe.As(h.expired)} {
		for _, p := range []probe.Probe{probe.HTTP("/", as), probe.RPC("Status.Leader", as)} {
			if o := probe.AtControlServer(p, controlServer).Observe(t.Context(), probe.Target{}); o.Outcome != probe.Accepted {
				t.Errorf("%s: outcome %q: %s", p.Sentence, o.Outcome, o.Err)
			}
		}
	}
}
