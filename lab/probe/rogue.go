package probe

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// serversPath is where a client tells which servers it talks to, and is given others (command/agent/agent_endpoint.go:534).
const serversPath = "/v1/agent/servers"

// RogueServer is a probe that offers the client a listener of ours for a server, and presents the holder's certificate to
// it. Nomad calls whatever it is offered before it takes it (client/client.go:1317), with its own node's token in the call,
// so the client dials at once. Accepted: the client went on after the TLS handshake, or spoke in the clear;
// RefusedInHandshake or RefusedAfterHandshake: it hung up; NotReached: it did not come, or was not made to.
//
// The listener is at the Target's Caller, on a port that the system chooses, and answers nothing; of what the client says it
// reads the first byte. It is the only server that is offered: Nomad changes its list of servers only where one of those
// offered has answered (client/client.go:1338), so the client keeps its own. The probe looks whether that is so, also when
// its time is up, and otherwise gives them back. The asker needs a token with the right agent:write.
func RogueServer(holder, asker Caller) Probe {
	p := New(PlaneHTTP, fmt.Sprintf("have the client call a listener of ours that presents %s: PUT %s over HTTPS with %s", holder.label, serversPath, asker),
		func(ctx context.Context, t Target) Observation {
			config, err := holder.listenerTLS(t)
			if err != nil {
				return notReached(err.Error())
			}
			return offered{Target: t, asker: asker}.observe(ctx, config)
		})
	p.lacks = func(t Target) string {
		if _, err := callersAddress(t); err != nil {
			return err.Error()
		}
		return ""
	}
	return p
}

// listenerTLS is the configuration of a listener that presents the caller's certificate, and asks for one. Whoever calls is
// let in: what the other side thinks of that certificate is all that decides.
func (c Caller) listenerTLS(t Target) (*tls.Config, error) {
	config, err := c.tlsConfig(t)
	if err != nil {
		return nil, err
	}
	if config.GetClientCertificate == nil {
		return nil, fmt.Errorf("listen with %s: it cannot be presented, use a caller that holds a certificate", c.label)
	}
	held, err := config.GetClientCertificate(&tls.CertificateRequestInfo{})
	if err != nil {
		return nil, fmt.Errorf("listen with %s: %w", c.label, err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*held},
		ClientCAs: config.RootCAs, ClientAuth: tls.RequestClientCert,
	}, nil
}

// callersAddress is where the target can call this program: at the address by which it knows it.
func callersAddress(t Target) (netip.Addr, error) {
	if t.Caller == "" {
		return netip.Addr{}, fmt.Errorf("it is not known by which address %s could call a listener of ours", t.Name)
	}
	at, err := netip.ParseAddr(t.Caller)
	if err != nil || at.IsUnspecified() {
		return netip.Addr{}, fmt.Errorf("%q is no address at which %s could call a listener of ours", t.Caller, t.Name)
	}
	return at, nil
}

// offered is a client that is offered a server.
type offered struct {
	Target
	asker Caller
}

func (c offered) observe(ctx context.Context, config *tls.Config) Observation {
	before, err := c.servers(ctx)
	if err != nil {
		return notReached(err.Error())
	}
	at, err := callersAddress(c.Target)
	if err != nil {
		return notReached(err.Error())
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", netip.AddrPortFrom(at, 0).String())
	if err != nil {
		return notReached(clean(fmt.Sprintf("listen for the client: %v", err)))
	}
	ours := listener.Addr().String()
	o := c.await(ctx, listener, config)
	o.Sent = "PUT " + serversPath + "?address=" + ours
	if err := c.keeps(context.WithoutCancel(ctx), ours, before); err != nil {
		o.Err = clean(err.Error())
		if o.Outcome != Accepted {
			o.Outcome = NotReached
		}
	}
	return o
}

// await offers the listener and is called. It returns when the client has answered, and nobody listens any more.
func (c offered) await(ctx context.Context, listener net.Listener, config *tls.Config) Observation {
	called := make(chan Observation, 1)
	go func() { called <- receive(ctx, listener, config) }()
	answer := c.offer(ctx, listener.Addr().String())
	// The client answers when its call has ended: whoever has not come by now does not come. On a busy machine, one that has may not
	// have been taken yet.
	if bounded, is := listener.(interface{ SetDeadline(time.Time) error }); is {
		_ = bounded.SetDeadline(time.Now().Add(lateLook))
	}
	o := <-called
	_ = listener.Close()
	switch {
	case o.Outcome == NotReached:
		o.Received = answer.Received
		o.Err = clean(fmt.Sprintf("%s: %s", o.Err, cmp.Or(answer.Err, "the client said: "+answer.Received)))
	case o.Outcome != Accepted && answer.Received != "":
		o.Received += "; the client says: " + answer.Received
	}
	return o
}

// offer asks the client to talk to these servers, and to no others.
func (c offered) offer(ctx context.Context, addresses ...string) Observation {
	query := url.Values{"address": addresses}.Encode()
	return HTTPAsk(Ask{Method: http.MethodPut, Path: serversPath + "?" + query}, c.asker).Observe(ctx, c.Target)
}

// receive takes the first call and sees how far the client goes.
func receive(ctx context.Context, listener net.Listener, config *tls.Config) Observation {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	conn, err := listener.Accept()
	if err != nil {
		return notReached("the client did not call")
	}
	defer func() { _ = conn.Close() }()
	_ = listener.Close() // a client that is hung up on may call again, and would wait for an answer
	release, err := bound(ctx, conn)
	if err != nil {
		return notReached(clean(fmt.Sprintf("bound the client's call: %v", err)))
	}
	defer release()
	switch first := next(conn); first {
	case 0:
		return notReached("the client called and said nothing")
	case tlsByte:
		return welcome(ctx, conn, config)
	default:
		return Observation{Outcome: Accepted, Received: "a call in the clear, without TLS: " + Framing(first).String()}
	}
}

// welcome does our side of the TLS handshake, and sees whether the client says anything afterwards: one that does not
// verify names looks at the certificate only then (helper/tlsutil/config.go, WrapTLSClient).
func welcome(ctx context.Context, conn net.Conn, config *tls.Config) (o Observation) {
	own := tls.Server(conn, config)
	s := &session{Conn: own}
	if err := own.HandshakeContext(ctx); err != nil {
		o.end(err, s)
		return o
	}
	defer func() { _ = own.Close() }()
	s.established = true
	facts := factsOf(own.ConnectionState())
	o.TLSVersion, o.CipherSuite = facts.version, facts.suite
	var b [1]byte
	if _, err := own.Read(b[:]); err != nil {
		o.end(err, s)
		return o
	}
	o.Outcome, o.Received = Accepted, "a call after the TLS handshake: "+Framing(b[0]).String()
	return o
}
