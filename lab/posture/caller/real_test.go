package caller_test

import (
	"os"
	"testing"

	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/probe"
	"nomadlab.internal/lab/spec"
)

func TestMain(m *testing.M) { os.Exit(labtest.Main(m)) }

// fared is the outcomes of a caller at an agent's planes.
type fared struct{ https, rpc, raft probe.Outcome }

// expected returns what Nomad 1.11.3 does with each kind, with TLS and verify_server_hostname on both planes.
func expected() map[caller.Kind]fared {
	const in, endpoint, after = probe.Accepted, probe.RefusedInHandshake, probe.RefusedAfterHandshake
	server, ordinary, web, refused := fared{in, in, in}, fared{in, in, after}, fared{in, endpoint, endpoint}, fared{endpoint, endpoint, endpoint}
	return map[caller.Kind]fared{
		caller.Server: server, caller.Client: ordinary, caller.CLI: web,
		caller.OtherServer: ordinary, caller.OtherClient: web, caller.OtherDomain: ordinary,
		caller.NoRegion: web, caller.Wildcard: web, caller.Capitals: web, caller.Web: web,
		caller.CNServerSANClient: server, caller.CNClientSANServer: server, caller.CNServerOnly: server, caller.SANServerOnly: server,
		caller.Foreign: refused, caller.SelfSigned: refused, caller.IntermediateSent: server, caller.IntermediateMissing: refused,
		caller.IssuedByRoot: server, caller.IssuerMissing: server, // as the authority of this lab is its root
		caller.ChainReversed: server, caller.LeafNotFirst: refused, caller.PathLengthExceeded: refused,
		caller.InsideConstraints: server, caller.OutsideConstraints: refused,
		caller.CrossSigned: server, caller.CrossSignatureMissing: refused,
		caller.Expired: refused, caller.NotYetValid: refused,
		caller.ServerAuthOnly: refused, caller.ClientAuthOnly: server, caller.CodeSigningOnly: refused,
		caller.NoEKU: server, caller.RSA1024: server, caller.Ed25519: server,
		caller.None: refused,
	}
}

// TestEachKindAtARealServer: Nomad too sees in the certificates what their kinds say.
func TestEachKindAtARealServer(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	l := labtest.Start(t, spec.Servers(1), spec.Clients(0), spec.TrustForeign("server"))
	n := l.Servers()[0]
	at := probe.Target{HTTP: n.HTTP().String(), RPC: n.RPC().String(), Region: n.Region(), ServerName: n.ServerName()}
	if from := n.From(); from.IsValid() {
		at.From = from.String()
	}
	callers, trusted := mint(t, l.Authority(), n.Region()), mint(t, l.Authority(), n.Region(), caller.WithForeign(l.ForeignAuthority()))
	for _, k := range caller.Kinds() {
		c, missing := callers.Caller(k)
		if missing != "" {
			t.Fatal(missing)
		}
		if got, want := fare(t, at, c), expected()[k]; got != want {
			t.Errorf("%s: %+v, want %+v", k, got, want)
		}
	}
	known, _ := trusted.Caller(caller.Foreign)
	if got, want := fare(t, at, known), expected()[caller.Server]; got != want {
		t.Errorf("the foreigner that the server trusts: %+v, want %+v", got, want)
	}
}

func fare(t *testing.T, at probe.Target, c probe.Caller) fared {
	t.Helper()
	return fared{
		https: probe.HTTP("/v1/agent/self", c).Observe(t.Context(), at).Outcome,
		rpc:   probe.RPC("Status.Leader", c).Observe(t.Context(), at).Outcome,
		raft:  probe.RPCOver(probe.FramingRaft, c).Observe(t.Context(), at).Outcome,
	}
}
