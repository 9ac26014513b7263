package matrix_test

import (
	"slices"
	"testing"

	"nomadlab.internal/lab/posture/matrix"
	"nomadlab.internal/lab/posture/party"
	"nomadlab.internal/lab/probe"
)

const (
	in    = probe.Accepted
	door  = probe.RefusedInHandshake
	after = probe.RefusedAfterHandshake
	no    = probe.Denied
)

// known is what Nomad 1.11.3 was seen to do with each kind, in the order of the entries. Gossip is asked without a key.
func known() map[party.Kind][]probe.Outcome {
	server := []probe.Outcome{in, in, in, in, in, in, no}
	client := []probe.Outcome{in, in, in, in, no, after, no}
	elsewhere := []probe.Outcome{in, in, in, no, no, after, no}
	httpsAlone := []probe.Outcome{in, door, door, door, door, door, no}
	nowhere := []probe.Outcome{door, door, door, door, door, door, no}
	return map[party.Kind][]probe.Outcome{
		party.Server: server, party.Client: client, party.CLI: httpsAlone,
		party.OtherServer: elsewhere, party.OtherClient: httpsAlone, party.OtherDomain: elsewhere,
		party.NoRegion: httpsAlone, party.Wildcard: httpsAlone, party.Capitals: httpsAlone, party.Web: httpsAlone,
		party.CNServerSANClient: server, party.CNClientSANServer: server, party.CNServerOnly: server, party.SANServerOnly: server,
		party.Foreign: nowhere, party.SelfSigned: nowhere, party.IntermediateMissing: nowhere, party.IntermediateSent: server,
		party.Expired: nowhere, party.NotYetValid: nowhere, party.ServerAuthOnly: nowhere, party.CodeSigningOnly: nowhere,
		party.ClientAuthOnly: server, party.NoEKU: server, party.RSA1024: server, party.Ed25519: server,
		party.None: nowhere,
	}
}

func TestWhoIsToGetInWhere(t *testing.T) {
	if len(known()) != len(party.Kinds()) {
		t.Errorf("%d kinds are known, there are %d", len(known()), len(party.Kinds()))
	}
	for _, k := range party.Kinds() {
		var wanted []probe.Outcome
		for _, e := range matrix.Entries() {
			wanted = append(wanted, matrix.Want(e, k))
		}
		if !slices.Equal(wanted, known()[k]) {
			t.Errorf("%s: %v, known is %v", k, wanted, known()[k])
		}
	}
}

// TestEachEntryRefusesSomebody and lets in its canary: one that lets in everybody, or nobody, could prove nothing.
func TestEachEntryRefusesSomebody(t *testing.T) {
	for _, e := range matrix.Entries() {
		if !slices.ContainsFunc(party.Kinds(), func(k party.Kind) bool { return matrix.Want(e, k).Refused() }) {
			t.Errorf("%s refuses nobody", e)
		}
		if e != matrix.Gossip && matrix.Want(e, party.Server) != probe.Accepted {
			t.Errorf("%s is to refuse its own canary", e)
		}
	}
}
