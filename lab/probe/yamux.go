package probe

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The few words of yamux that one request over one stream needs
// (github.com/hashicorp/yamux/spec.md): a frame is version, type, flags, stream
// and length, twelve bytes in all, big endian.
const (
	yamuxHeader       = 12
	yamuxData         = 0
	yamuxWindowUpdate = 1
	yamuxPing         = 2
	yamuxGoAway       = 3
	yamuxSYN          = 1
	yamuxFIN          = 4
	yamuxRST          = 8
	yamuxStream       = 1
)

// yamuxOpen opens a stream and sends the payload on it.
func yamuxOpen(payload []byte) []byte {
	wire := yamuxFrame(nil, yamuxWindowUpdate, yamuxSYN, 0)
	wire = yamuxFrame(wire, yamuxData, 0, uint32(len(payload)))
	return append(wire, payload...)
}

// yamuxFrame appends a frame's header.
func yamuxFrame(wire []byte, kind byte, flags uint16, length uint32) []byte {
	wire = append(wire, 0, kind)
	wire = binary.BigEndian.AppendUint16(wire, flags)
	wire = binary.BigEndian.AppendUint32(wire, yamuxStream)
	return binary.BigEndian.AppendUint32(wire, length)
}

// yamuxReader reads what comes on the stream.
type yamuxReader struct {
	r    io.Reader
	left uint32
	end  bool
}

// Read returns the stream's bytes without their frames; io.EOF when the agent
// ends the stream or the session.
func (y *yamuxReader) Read(p []byte) (int, error) {
	for y.left == 0 {
		if y.end {
			return 0, io.EOF
		}
		if err := y.next(); err != nil {
			return 0, err
		}
	}
	if uint32(len(p)) > y.left {
		p = p[:y.left]
	}
	n, err := y.r.Read(p)
	y.left -= uint32(n)
	return n, err
}

// next reads one frame's header. Window updates and pings carry no payload; a
// ping needs no answer within a probe's few seconds.
func (y *yamuxReader) next() error {
	var header [yamuxHeader]byte
	if _, err := io.ReadFull(y.r, header[:]); err != nil {
		return err
	}
	if header[0] != 0 {
		return fmt.Errorf("yamux version %d", header[0])
	}
	flags := binary.BigEndian.Uint16(header[2:4])
	switch header[1] {
	case yamuxData:
		y.left = binary.BigEndian.Uint32(header[8:12])
	case yamuxWindowUpdate, yamuxPing:
	case yamuxGoAway:
		y.end = true
	default:
		return fmt.Errorf("yamux frame type %d", header[1])
	}
	if flags&(yamuxFIN|yamuxRST) != 0 {
		y.end = true
	}
	return nil
}
