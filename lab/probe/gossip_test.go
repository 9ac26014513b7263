package probe_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/hashicorp/memberlist"

	"nomadlab.internal/lab/probe"
)

// Keys of each size that Nomad accepts, in the form of server.encrypt.
var (
	ours   = gossipSecret(32, 'o')
	theirs = gossipSecret(24, 't')
	old    = gossipSecret(16, 'x')
)

func gossipSecret(size int, of byte) string {
	return base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(of), size)))
}

// gossiper starts a real memberlist, with the first key as its primary one, or with none. Its configuration is that of Nomad's
// servers.
func gossiper(t *testing.T, compress bool, keys ...string) *memberlist.Memberlist {
	t.Helper()
	config := memberlist.DefaultWANConfig()
	config.Name, config.BindAddr, config.BindPort = "server-1.global", "127.0.0.1", 0
	config.AdvertiseAddr, config.LogOutput = "127.0.0.1", io.Discard
	config.EnableCompression = compress
	var ring [][]byte
	for _, key := range keys {
		secret, err := base64.StdEncoding.DecodeString(key)
		if err != nil {
			t.Fatal(err)
		}
		ring = append(ring, secret)
	}
	if len(ring) > 0 {
		config.Keyring = must(memberlist.NewKeyring(ring, ring[0]))(t)
	}
	m := must(memberlist.Create(config))(t)
	t.Cleanup(func() { _ = m.Shutdown() })
	return m
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// gossipTarget returns a server of which only the gossip port can be reached.
func gossipTarget(addr string) probe.Target {
	return probe.Target{Name: "server-1", Region: "global", Gossip: addr}
}

func TestGossipPing(t *testing.T) {
	const (
		yes, no    = probe.Accepted, probe.Denied
		unreadable = "an answer that is encrypted with a key that the caller has not, of the size of an "
	)
	ourKey, otherKey := probe.NewGossipKey(ours, "our gossip key"), probe.NewGossipKey(base64.StdEncoding.EncodeToString(make([]byte, 32)), "another gossip key")
	for _, test := range []struct {
		name     string
		ring     []string
		key      probe.GossipKey
		want     probe.Outcome
		received string
	}{
		{"right key", []string{ours}, ourKey, yes, "ack of seq 7, encrypted with the caller's key"},
		{"right key of 24 bytes", []string{theirs}, probe.NewGossipKey(theirs, "k"), yes, "ack of seq 7, encrypted with the caller's key"},
		{"right key of 16 bytes", []string{old}, probe.NewGossipKey(old, "k"), yes, "ack of seq 7, encrypted with the caller's key"},
		{"key that is in the ring, but not as the primary one", []string{theirs, old, ours}, ourKey, yes, unreadable + "ack"},
		{"other key", []string{ours}, otherKey, no, unreadable + "error"},
		{"other key than any of the ring", []string{ours, theirs, old}, otherKey, no, unreadable + "error"},
		{"no key", []string{ours}, probe.GossipKey{}, no, unreadable + "error"},
		{"no key, and none wanted", nil, probe.GossipKey{}, yes, "ack of seq 7, in clear"},
		{"a key where none is", nil, ourKey, no, "error, in clear: remote state is encrypted and encryption is not configured"},
	} {
		for _, compress := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, compression %t", test.name, compress), func(t *testing.T) {
				t.Parallel()
				m := gossiper(t, compress, test.ring...)
				for i := range runs {
					o := probe.GossipPing(test.key).Observe(t.Context(), gossipTarget(m.LocalNode().FullAddress().Addr))
					if o.Outcome != test.want || o.Received != test.received {
						t.Fatalf("run %d: %q, received %q, want %q, %q: %+v", i, o.Outcome, o.Received, test.want, test.received, o)
					}
				}
				if got := m.Members(); len(got) != 1 || got[0].Name != "server-1.global" {
					t.Errorf("after the pings the members are %v, want the server alone", got)
				}
			})
		}
	}
}

func TestGossipPingOfNoGossip(t *testing.T) {
	silent := probe.GossipPing(probe.GossipKey{})
	for _, test := range []struct {
		name, at string
		probe    probe.Probe
		want     probe.Outcome
	}{
		{"closed port", closedPort(t), silent, probe.NotReached},
		{"no address", "", silent, probe.NotReached},
		{"silent", listen(t, read), shortly(silent), probe.NotReached},
		{"a key that is not base64", closedPort(t), probe.GossipPing(probe.NewGossipKey("%", "a broken key")), probe.NotReached},
		{"a key of 15 bytes", closedPort(t), probe.GossipPing(probe.NewGossipKey(gossipSecret(15, 'a'), "a short key")), probe.NotReached},
		{"closed at once", listen(t, closeAtOnce), silent, probe.RefusedInHandshake},
		{"closed after the ping", listen(t, closeAfterRead), silent, probe.RefusedInHandshake},
		{"reset after the ping", listen(t, resetAfterRead), silent, probe.RefusedInHandshake},
		{"an ack of another ping", listen(t, say("\x02\x82\xa5SeqNo\x08\xa7Payload\xc0")), silent, probe.Failed},
		{"half an ack", listen(t, say("\x02\x82\xa5Seq")), silent, probe.Failed},
		{"half an encrypted answer", listen(t, say("\x0a\x00\x00\x00\x40abc")), silent, probe.Failed},
		{"an endless answer", listen(t, say("\x0a\xff\xff\xff\xff")), silent, probe.Failed},
		{"compressed nothing", listen(t, say("\x09\x82\xa4Algo\x00\xa3Buf\xa0")), silent, probe.Failed},
		{"web server", listen(t, say("HTTP/1.1 400 Bad Request\r\n\r\n")), silent, probe.Failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for i := range runs {
				o := test.probe.Observe(t.Context(), gossipTarget(test.at))
				if o.Outcome != test.want {
					t.Fatalf("run %d: outcome %q, want %q: %+v", i, o.Outcome, test.want, o)
				}
			}
		})
	}
}

// The length that an agent announces is not trusted: four bytes of its answer would cost 4 GiB.
func TestGossipPingBoundsTheAnswer(t *testing.T) {
	at := listen(t, say("\x0a\xff\xff\xff\xff"))
	o := probe.GossipPing(probe.GossipKey{}).Observe(t.Context(), gossipTarget(at))
	if want := "it announces 4294967295 bytes"; !strings.Contains(o.Err, want) {
		t.Errorf("error is %q, want it to contain %q", o.Err, want)
	}
}

func TestGossipKeyIsInNoText(t *testing.T) {
	secret := must(base64.StdEncoding.DecodeString(ours))(t)
	key := probe.NewGossipKey(ours, "our gossip key")
	inside := struct{ key probe.GossipKey }{key}
	o := probe.GossipPing(key).Observe(t.Context(), gossipTarget(closedPort(t)))
	broken := probe.GossipPing(probe.NewGossipKey(ours+"!", "a broken key")).Observe(t.Context(), gossipTarget(closedPort(t)))
	text := fmt.Sprintf("%s %v %+v %#v %v %+v %#v %+v %+v", key, key, key, key, inside, inside, inside, o, broken)
	for _, form := range []string{ours, string(secret), fmt.Sprintf("%x", secret), fmt.Sprintf("%d", secret)} {
		if strings.Contains(text, form) {
			t.Errorf("the key is in %q", text)
		}
	}
	if want := "our gossip key"; key.String() != want {
		t.Errorf("label is %q, want %q", key, want)
	}
	if want := "no gossip key"; (probe.GossipKey{}).String() != want {
		t.Errorf("label of none is %q, want %q", probe.GossipKey{}, want)
	}
	if want := "a broken key is not base64"; broken.Err != want {
		t.Errorf("error is %q, want %q", broken.Err, want)
	}
}
