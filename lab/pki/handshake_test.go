package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/pki"
)

// result is how both ends of one connection fared.
type result struct{ caller, listener error }

// shake makes a connection on which the listener must be heard by the caller:
// under TLS 1.3 a caller's handshake ends before the listener judges it.
func shake(t *testing.T, caller, listener *tls.Config) result {
	t.Helper()
	near, far := net.Pipe()
	end := time.Now().Add(deadline.Hang)
	for _, side := range []net.Conn{near, far} {
		if err := side.SetDeadline(end); err != nil {
			t.Fatal(err)
		}
	}
	listened := make(chan error, 1)
	go func() {
		defer far.Close()
		conn := tls.Server(far, listener)
		err := conn.Handshake()
		if err == nil {
			_, err = conn.Write([]byte("ok"))
		}
		listened <- err
	}()
	conn := tls.Client(near, caller)
	_, err := io.ReadFull(conn, make([]byte, 2))
	near.Close()
	return result{caller: err, listener: <-listened}
}

// strict is a listener that requires and verifies a caller's certificate, as an
// agent with verify_https_client does.
func strict(t *testing.T, cred pki.Credential, version uint16) *tls.Config {
	t.Helper()
	cert, err := cred.TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	pool, err := cred.Pool()
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12, MaxVersion: version}
}

func clientTLS(t *testing.T, cred pki.Credential) *tls.Config {
	t.Helper()
	config, err := cred.ClientTLS("server.global.nomad")
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func isUnknownAuthority(err error) bool {
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &unknown)
}

func hasReason(reason x509.InvalidReason, detail string) func(error) bool {
	return func(err error) bool {
		var invalid x509.CertificateInvalidError
		return errors.As(err, &invalid) && invalid.Reason == reason && strings.Contains(err.Error(), detail)
	}
}

func isNil(err error) bool { return err == nil }

func says(text string) func(error) bool {
	return func(err error) bool { return err != nil && strings.Contains(err.Error(), text) }
}

func TestDefectsInRealHandshakes(t *testing.T) {
	usage := hasReason(x509.IncompatibleUsage, "")
	outside := hasReason(x509.CANotAuthorizedForThisName, "outside-constraints.invalid")
	cases := map[pki.Defect]struct{ calling, listening func(error) bool }{
		{}:                       {isNil, isNil}, // the control
		pki.Foreign():            {isUnknownAuthority, isUnknownAuthority},
		pki.SelfSigned():         {isUnknownAuthority, isUnknownAuthority},
		pki.Expired():            {hasReason(x509.Expired, " is after "), hasReason(x509.Expired, " is after ")},
		pki.NotYetValid():        {hasReason(x509.Expired, " is before "), hasReason(x509.Expired, " is before ")},
		pki.NoEKU():              {isNil, isNil},
		pki.ServerAuthOnly():     {usage, isNil},
		pki.ClientAuthOnly():     {isNil, usage},
		pki.CodeSigningOnly():    {usage, usage},
		pki.OutsideConstraints(): {outside, outside},

		pki.IntermediateSent():    {isNil, isNil},
		pki.IntermediateMissing(): {isUnknownAuthority, isUnknownAuthority},
		pki.InsideConstraints():   {isNil, isNil},
		pki.ChainReversed():       {isNil, isNil},
		// Its chain is valid, and its key is another's.
		pki.LeafNotFirst():          {says("invalid signature by the client certificate"), nil},
		pki.PathLengthExceeded():    {hasReason(x509.TooManyIntermediates, ""), hasReason(x509.TooManyIntermediates, "")},
		pki.CrossSigned():           {isNil, isNil},
		pki.CrossSignatureMissing(): {isUnknownAuthority, isUnknownAuthority},
		pki.WeakKey():               {isNil, isNil},
		pki.Ed25519():               {isNil, isNil},
		pki.CanSign():               {isNil, isNil},
		pki.LongLived():             {isNil, isNil},
		pki.NearlyExpired():         {isNil, isNil},
		pki.RoleAlone():             {isNil, isNil},
	}
	if len(cases) != len(pki.Defects())+1 {
		t.Fatalf("%d cases for %d defects and the control", len(cases), len(pki.Defects()))
	}
	authority := newAuthority(t, capable())
	sound := issue(t, authority, serverID)
	for defect, want := range cases {
		cred := issueDefective(t, authority, serverID, defect)
		for version, name := range map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
			t.Run(defect.Name()+" calling TLS "+name, func(t *testing.T) {
				got := shake(t, clientTLS(t, cred), strict(t, sound, version))
				if !want.calling(got.listener) {
					t.Errorf("listener says: %v", got.listener)
				}
				if refused := got.caller != nil; refused == want.calling(nil) {
					t.Errorf("caller says: %v", got.caller)
				}
			})
			t.Run(defect.Name()+" listening TLS "+name, func(t *testing.T) {
				if want.listening == nil {
					_, err := cred.TLSCertificate()
					checkError(t, err, "private key does not match public key")
					return
				}
				got := shake(t, clientTLS(t, sound), strict(t, cred, version))
				if !want.listening(got.caller) {
					t.Errorf("caller says: %v", got.caller)
				}
			})
		}
	}
}

// A foreign certificate must be presented and refused, not withheld.
func TestForeignCertificateIsReallyPresented(t *testing.T) {
	authority := newAuthority(t, pki.Options{CommonName: "lab one"})
	listener := strict(t, issue(t, authority, serverID), tls.VersionTLS13)
	foreign := issueDefective(t, authority, serverID, pki.Foreign())

	got := shake(t, clientTLS(t, foreign), listener)
	var seen *tls.CertificateVerificationError
	if !errors.As(got.listener, &seen) || len(seen.UnverifiedCertificates) == 0 {
		t.Fatalf("listener says: %v, want a certificate that it could not verify", got.listener)
	}
	if issuer := seen.UnverifiedCertificates[0].Issuer.CommonName; issuer != "Foreign CA" {
		t.Errorf("listener saw a certificate of %q", issuer)
	}

	// The control: left to itself, crypto/tls presents nothing, and the listener
	// sees no certificate rather than a foreign one.
	cert, err := foreign.TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	naive := clientTLS(t, foreign)
	naive.GetClientCertificate, naive.Certificates = nil, []tls.Certificate{cert}
	checkError(t, shake(t, naive, listener).listener, "client didn't provide a certificate")
}

func TestAnonymousIsRefusedForWantOfACertificate(t *testing.T) {
	cred := issue(t, newAuthority(t, pki.Options{}), serverID)
	anonymous, err := cred.AnonymousTLS("server.global.nomad")
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		listener := strict(t, cred, version)
		checkError(t, shake(t, anonymous, listener).listener, "client didn't provide a certificate")
		listener.ClientAuth = tls.NoClientCert
		if got := shake(t, anonymous, listener); got != (result{}) {
			t.Errorf("without a need for a certificate: %+v", got)
		}
	}
}

func TestServerNameIsVerified(t *testing.T) {
	cred := issue(t, newAuthority(t, pki.Options{}), pki.Identity{Role: pki.Server, IPs: addrs("10.0.0.7")})
	for name, want := range map[string]string{
		"server.global.nomad": "",
		"localhost":           "",
		"127.0.0.1":           "",
		"10.0.0.7":            "",
		"client.global.nomad": "not client.global.nomad",
		"server.eu.nomad":     "not server.eu.nomad",
		"10.0.0.8":            "not 10.0.0.8",
	} {
		config, err := cred.ClientTLS(name)
		if err != nil {
			t.Fatal(err)
		}
		checkError(t, shake(t, config, strict(t, cred, tls.VersionTLS13)).caller, want)
	}
}

func TestOldTLSIsNotSpoken(t *testing.T) {
	cred := issue(t, newAuthority(t, pki.Options{}), serverID)
	listener := strict(t, cred, tls.VersionTLS11)
	listener.MinVersion = tls.VersionTLS10
	if got := shake(t, clientTLS(t, cred), listener); got.caller == nil {
		t.Error("a caller spoke TLS 1.1")
	}
	listener.MaxVersion = tls.VersionTLS12
	if got := shake(t, clientTLS(t, cred), listener); got.caller != nil {
		t.Errorf("the control, TLS 1.2, was refused: %v", got.caller)
	}
}
