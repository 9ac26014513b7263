package probe

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/internal/deadline"
)

// serversPath is where a client reports which servers it uses, and accepts others (command/agent/agent_endpoint.go:534).
const serversPath = "/v1/agent/servers"

// RogueServer returns a probe that offers the client a listener of this program as a server, and presents the holder's
// certificate to it. Nomad calls every server that it is offered before it accepts it (client/client.go:1317), with its own
// node's token in the call, so the client dials at once. Accepted: the client went on after the TLS handshake, or sent
// plaintext. RefusedInHandshake or RefusedAfterHandshake: it ended the connection. NotReached: it did not call, or could not
// be asked to.
//
// The listener is at Target.Caller, on a port that the system chooses. It answers nothing, and reads the first byte of what
// the client sends. It is the only server that is offered: Nomad changes its list of servers only if one of those offered has
// answered (client/client.go:1338), so the client keeps its own. The probe verifies that, also when its time is up, and if
// need be gives the client its servers back. The operator needs a token with the right agent:write.
func RogueServer(holder, operator Caller) Probe {
	sentence := fmt.Sprintf("have the client call a listener of ours that presents %s: PUT %s over HTTPS with %s", holder.label, serversPath, operator)
	return New(PlaneHTTP, sentence, func(ctx context.Context, t Target) Observation {
		config, err := holder.listenerTLS(t)
		if err != nil {
			return notReached(err.Error())
		}
		return rogueOffer{Target: t, operator: operator}.observe(ctx, config)
	}).OnlyFor(func(t Target) string {
		if _, err := callersAddress(t); err != nil {
			return err.Error()
		}
		return ""
	})
}

// listenerTLS returns the configuration of a listener that presents the caller's certificate and asks for one. It accepts
// every certificate, so that only the other side judges.
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

// callersAddress returns the address at which the target can call this program.
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

// rogueOffer is a client that is offered a server.
type rogueOffer struct {
	Target
	operator Caller
}

func (c rogueOffer) observe(ctx context.Context, config *tls.Config) Observation {
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
	if err := c.restore(context.WithoutCancel(ctx), ours, before); err != nil {
		o.Err = clean(err.Error())
		if o.Outcome != Accepted {
			o.Outcome = NotReached
		}
	}
	return o
}

// await offers the listener and waits for the client's call. It returns after the client's answer, with the listener closed.
func (c rogueOffer) await(ctx context.Context, listener net.Listener, config *tls.Config) Observation {
	called := make(chan Observation, 1)
	go func() { called <- receive(ctx, listener, config) }()
	answer := c.offer(ctx, listener.Addr().String())
	// The client answers when its call has ended: if none has come by now, none will. On a busy machine a call may still wait to
	// be accepted.
	if bounded, ok := listener.(interface{ SetDeadline(time.Time) error }); ok {
		_ = bounded.SetDeadline(time.Now().Add(lateRead))
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

// offer asks the client to use these servers, and no others.
func (c rogueOffer) offer(ctx context.Context, addresses ...string) Observation {
	query := url.Values{"address": addresses}.Encode()
	return HTTPRequest(Request{Method: http.MethodPut, Path: serversPath + "?" + query}, c.operator).Observe(ctx, c.Target)
}

// servers returns those that the client uses.
func (c rogueOffer) servers(ctx context.Context) ([]string, error) {
	var list []string
	o := HTTPSearch(Request{Path: serversPath}, c.operator, AnswerSearch{
		For: "its servers",
		In: func(_ http.Header, body []byte) (bool, string, error) {
			return true, "a list", json.Unmarshal(body, &list)
		},
	}).Observe(ctx, c.Target)
	if o.Outcome != Found {
		return nil, fmt.Errorf("ask the client which servers it talks to: %s: %s", o.Outcome, strings.TrimSpace(o.Received+" "+o.Err))
	}
	return list, nil
}

// restore gives the client the servers back that it had before, if it uses our listener. It returns nil if the client does not
// use the listener.
func (c rogueOffer) restore(ctx context.Context, ours string, before []string) error {
	ctx, cancel := deadline.Fair(ctx, DefaultTimeout)
	defer cancel()
	now, err := c.servers(ctx)
	if err != nil || !slices.Contains(now, ours) {
		return err
	}
	if o := c.offer(ctx, before...); o.Outcome != Accepted {
		return fmt.Errorf("give the client its servers back: %w", acceptedOrErr(o))
	}
	if now, err = c.servers(ctx); err == nil && slices.Contains(now, ours) {
		err = fmt.Errorf("the client talks to our listener %s, which is closed, beside %s", ours, strings.Join(before, ", "))
	}
	return err
}

// receive accepts the first call, and returns how far the client goes.
func receive(ctx context.Context, listener net.Listener, config *tls.Config) Observation {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	conn, err := listener.Accept()
	if err != nil {
		return notReached("the client did not call")
	}
	defer func() { _ = conn.Close() }()
	_ = listener.Close() // a client whose call ended may call again, and would wait for an answer
	release, err := bound(ctx, conn)
	if err != nil {
		return notReached(clean(fmt.Sprintf("bound the client's call: %v", err)))
	}
	defer release()
	switch first := firstByte(conn); first {
	case 0:
		return notReached("the client called and said nothing")
	case tlsByte:
		return acceptTLS(ctx, conn, config)
	default:
		return Observation{Outcome: Accepted, Received: "a call in the clear, without TLS: " + Framing(first).String()}
	}
}

// acceptTLS does the listener's side of the TLS handshake, and returns whether the client sends anything afterwards: a client
// that does not verify names verifies the certificate only then (helper/tlsutil/config.go, WrapTLSClient).
func acceptTLS(ctx context.Context, conn net.Conn, config *tls.Config) (o Observation) {
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
	first, err := readByte(own)
	if err != nil {
		o.end(err, s)
		return o
	}
	o.Outcome, o.Received = Accepted, "a call after the TLS handshake: "+Framing(first).String()
	return o
}
