package probe

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

const rpcPort = 4647

// segment is a TCP packet of a connection to an agent's RPC port.
func segment(t *testing.T, seq uint32, payload string) []byte {
	t.Helper()
	return packet(t, &layers.TCP{SrcPort: 40000, DstPort: rpcPort, Seq: seq, ACK: true}, layers.IPProtocolTCP, payload)
}

// datagram is a UDP packet to an agent's gossip port.
func datagram(t *testing.T, payload string) []byte {
	t.Helper()
	return packet(t, &layers.UDP{SrcPort: 4648, DstPort: 4648}, layers.IPProtocolUDP, payload)
}

func packet(t *testing.T, l gopacket.SerializableLayer, protocol layers.IPProtocol, payload string) []byte {
	t.Helper()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: net.IPv4(192, 0, 2, 1), DstIP: net.IPv4(192, 0, 2, 2)}
	buffer := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true}, ip, l, gopacket.Payload(payload)); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func TestCaptureFindsWhatWasSentInParts(t *testing.T) {
	for _, test := range []struct {
		name   string
		parts  [][]byte
		holds  bool
		missed int
		size   CaptureSize
	}{
		{"in one packet", [][]byte{segment(t, 1, "a marker here")}, true, 0, CaptureSize{1, 13}},
		{"over two packets", [][]byte{segment(t, 1, "a mar"), segment(t, 6, "ker here")}, true, 0, CaptureSize{2, 13}},
		{"in the wrong order", [][]byte{segment(t, 6, "ker here"), segment(t, 1, "a mar")}, true, 0, CaptureSize{2, 13}},
		{"each packet twice", [][]byte{segment(t, 1, "a mar"), segment(t, 1, "a mar"), segment(t, 6, "ker"), segment(t, 6, "ker")}, true, 0, CaptureSize{2, 8}},
		{"sent again with more", [][]byte{segment(t, 1, "a mar"), segment(t, 4, "arker")}, true, 0, CaptureSize{2, 10}},
		{"where numbers wrap around", [][]byte{segment(t, math.MaxUint32-1, "mar"), segment(t, 1, "ker")}, true, 0, CaptureSize{2, 6}},
		{"with a gap in it", [][]byte{segment(t, 1, "a mar"), segment(t, 8, "ker here")}, false, 1, CaptureSize{2, 13}},
		{"encrypted", [][]byte{segment(t, 1, "xxxxx")}, false, 0, CaptureSize{1, 5}},
		{"no payload", [][]byte{segment(t, 1, "")}, false, 0, CaptureSize{}},
		{"no packet", nil, false, 0, CaptureSize{}},
		{"no IP packet", [][]byte{{1, 2, 3}}, false, 0, CaptureSize{}},
		{"on another port", [][]byte{datagram(t, "marker")}, false, 0, CaptureSize{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			capture := newPacketCapture(everywhere())
			for _, part := range test.parts {
				capture.add(part)
			}
			if got := capture.Contains(rpcPort, []byte("marker")); got != test.holds {
				t.Errorf("holds the marker: %t, want %t", got, test.holds)
			}
			if got := capture.Missed(rpcPort); got != test.missed {
				t.Errorf("missed %d, want %d", got, test.missed)
			}
			if got := capture.Size(rpcPort); got != test.size {
				t.Errorf("heard %+v, want %+v", got, test.size)
			}
		})
	}
}

func TestCaptureReadsGossip(t *testing.T) {
	alive, err := gossipMessage(gossipPing, gossipPingMessage{Node: "server-1.global, " + strings.Repeat("server-1.global ", 20)})
	if err != nil {
		t.Fatal(err)
	}
	packed, err := compressGossip(alive)
	if err != nil {
		t.Fatal(err)
	}
	for name, payload := range map[string]string{
		"as it is": string(alive), "compressed": string(packed), "compressed, with a checksum": "\x0c1234" + string(packed),
	} {
		capture := newPacketCapture(everywhere())
		capture.add(datagram(t, payload))
		capture.add(datagram(t, payload))
		if !capture.Contains(4648, []byte("server-1.global, server-1.global")) {
			t.Errorf("%s: the name is not found", name)
		}
		end := netip.MustParseAddrPort("192.0.2.2:4648")
		if got := capture.Datagrams(end); got.Packets != 1 {
			t.Errorf("%s: heard %+v, want one packet", name, got)
		}
		if capture.Contains(4648, []byte("server-2.global")) {
			t.Errorf("%s: another name is found", name)
		}
	}
	if strings.Contains(string(packed), "server-1.global, server-1.global") {
		t.Error("the compressed message has the name in clear, so that it proves nothing")
	}
}

func TestCaptureSaysWhatItProves(t *testing.T) {
	full := func(add func(*PacketCapture)) *PacketCapture {
		capture := newPacketCapture(everywhere())
		capture.add(segment(t, 1, "ten bytes."))
		if add != nil {
			add(capture)
		}
		return capture
	}
	for _, test := range []struct {
		name    string
		capture *PacketCapture
		text    string
		least   int
		want    Outcome
	}{
		{"found", full(nil), "bytes", 1, Found},
		{"absent", full(nil), "marker", 10, Absent},
		{"nothing overheard", newPacketCapture(everywhere()), "marker", 1, Failed},
		{"less overheard than sent", full(nil), "marker", 11, Failed},
		{"packets missed", full(func(capture *PacketCapture) { capture.miss(1) }), "marker", 1, Failed},
		{"found, though packets were missed", full(func(capture *PacketCapture) { capture.miss(1) }), "bytes", 1, Found},
		{"a gap", full(func(capture *PacketCapture) { capture.add(segment(t, 20, "x")) }), "marker", 1, Failed},
	} {
		if got, words := test.capture.search(rpcPort, test.text, test.least); got != test.want {
			t.Errorf("%s: %q (%s), want %q", test.name, got, words, test.want)
		}
	}
}

// A capture contains tokens that were sent in plaintext: it keeps a limited amount, and counts the rest as missed.
func TestCaptureHasAnEnd(t *testing.T) {
	capture := newPacketCapture(everywhere())
	capture.kept = maxCaptured
	capture.add(segment(t, 1, "x"))
	if capture.Missed(rpcPort) != 1 {
		t.Errorf("missed %d, want 1", capture.Missed(rpcPort))
	}
}

func TestScopeOf(t *testing.T) {
	for at, want := range map[[2]string]string{
		{"172.18.0.3"}: "[172.18.0.3/32]", {"127.77.1.11"}: "[127.77.1.0/24]", {"127.0.0.1"}: "[127.0.0.1/32]",
		{"169.254.64.11", "172.18.0.3"}: "[169.254.64.11/32 172.18.0.3/32]",
		{}:                              "", {"fd00::1"}: "", {"server-1"}: "", {"172.18.0.3", "server-1"}: "",
	} {
		got, err := scopeOf(Target{Address: at[0], Published: at[1]})
		if want == "" {
			if err == nil {
				t.Errorf("%+v: %s, want an error", at, got)
			}
			continue
		}
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%+v: %s, %v, want %s", at, got, err, want)
		}
	}
}

func TestPortOn(t *testing.T) {
	published := Target{Address: "172.18.0.3", HTTP: "127.0.0.1:32768"}
	own := Target{Address: "127.77.1.11", HTTP: "127.77.1.11:5646"}
	told := published
	told.Ports = map[Plane]uint16{PlaneHTTP: 14646, PlaneGossip: 14648}
	for _, test := range []struct {
		target Target
		plane  Plane
		want   uint16
	}{
		{published, PlaneHTTP, 4646}, {published, PlaneRPC, 4647}, {published, PlaneGossip, 4648}, {own, PlaneHTTP, 5646}, {own, PlaneRPC, 4647},
		{told, PlaneHTTP, 14646}, {told, PlaneRPC, 4647}, {told, PlaneGossip, 14648},
	} {
		if got := portOn(test.target, test.plane); got != test.want {
			t.Errorf("%+v, %s: %d, want %d", test.target, test.plane, got, test.want)
		}
	}
}

// everywhere is the scope of a capture that takes everything.
func everywhere() scope { return scope{netip.PrefixFrom(netip.IPv4Unspecified(), 0)} }

// TestCaptureTakesOnlyItsScope: packets that arrive before the kernel filters may be of any cluster.
func TestCaptureTakesOnlyItsScope(t *testing.T) {
	for text, want := range map[string]bool{"192.0.2.1/32": true, "192.0.2.2/32": true, "192.0.2.3/32": false, "192.0.2.3/32 192.0.2.1/32": true} {
		var whose scope
		for one := range strings.FieldsSeq(text) {
			whose = append(whose, netip.MustParsePrefix(one))
		}
		capture := newPacketCapture(whose)
		capture.add(datagram(t, "marker"))
		if got := capture.Contains(4648, []byte("marker")); got != want {
			t.Errorf("a capture of %s holds it: %t, want %t", text, got, want)
		}
	}
}
