package matrix_test

import (
	"slices"
	"testing"

	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/probe"
)

const (
	in        = probe.Accepted
	handshake = probe.RefusedInHandshake
	after     = probe.RefusedAfterHandshake
	no        = probe.Denied
)

// known returns what Nomad 1.11.3 was seen to do with each kind, in the order of the endpoints. Gossip is asked
// without a key.
func known() map[caller.Kind][]probe.Outcome {
	server := []probe.Outcome{in, in, in, in, in, in, no}
	client := []probe.Outcome{in, in, in, in, no, after, no}
	elsewhere := []probe.Outcome{in, in, in, no, no, after, no}
	httpsAlone := []probe.Outcome{in, handshake, handshake, handshake, handshake, handshake, no}
	nowhere := []probe.Outcome{handshake, handshake, handshake, handshake, handshake, handshake, no}
	return map[caller.Kind][]probe.Outcome{
		caller.Server: server, caller.Client: client, caller.CLI: httpsAlone,
		caller.OtherServer: elsewhere, caller.OtherClient: httpsAlone, caller.OtherDomain: elsewhere,
		caller.NoRegion: httpsAlone, caller.Wildcard: httpsAlone, caller.Capitals: httpsAlone, caller.Web: httpsAlone,
		caller.CNServerSANClient: server, caller.CNClientSANServer: server, caller.CNServerOnly: server, caller.SANServerOnly: server,
		caller.Foreign: nowhere, caller.SelfSigned: nowhere, caller.IntermediateMissing: nowhere, caller.IntermediateSent: server,
		caller.IssuedByRoot: server, caller.IssuerMissing: server,
		caller.ChainReversed: server, caller.LeafNotFirst: nowhere, caller.PathLengthExceeded: nowhere,
		caller.InsideConstraints: server, caller.OutsideConstraints: nowhere,
		caller.CrossSigned: server, caller.CrossSignatureMissing: nowhere,
		caller.Expired: nowhere, caller.NotYetValid: nowhere, caller.ServerAuthOnly: nowhere, caller.CodeSigningOnly: nowhere,
		caller.ClientAuthOnly: server, caller.NoEKU: server, caller.RSA1024: server, caller.Ed25519: server,
		caller.None: nowhere,
	}
}

func TestWantedOutcomes(t *testing.T) {
	if len(known()) != len(caller.Kinds()) {
		t.Errorf("%d kinds are known, there are %d", len(known()), len(caller.Kinds()))
	}
	for _, k := range caller.Kinds() {
		var wanted []probe.Outcome
		for _, e := range matrix.Endpoints() {
			wanted = append(wanted, matrix.Want(e, k))
		}
		if !slices.Equal(wanted, known()[k]) {
			t.Errorf("%s: %v, known is %v", k, wanted, known()[k])
		}
	}
}

// TestEachEndpointRefusesAKind, and lets its control in. Otherwise it could prove nothing.
func TestEachEndpointRefusesAKind(t *testing.T) {
	for _, e := range matrix.Endpoints() {
		if !slices.ContainsFunc(caller.Kinds(), func(k caller.Kind) bool { return matrix.Want(e, k).Refused() }) {
			t.Errorf("%s refuses nobody", e)
		}
		if e != matrix.Gossip && matrix.Want(e, caller.Server) != probe.Accepted {
			t.Errorf("%s is to refuse its own control", e)
		}
	}
}
