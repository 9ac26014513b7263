package probe

import "encoding/binary"

// A TLS record has a header of its type (20 to 23), its version (3 and a minor one) and the length of its content, which
// is no longer than 2^14+2048 bytes in any version (RFC 8446, 5.1; RFC 5246, 6.2.3).
const (
	recordHeader            = 5
	firstRecord, lastRecord = 20, 23
	recordMajor             = 3
	recordLongest           = 1<<14 + 2048
)

// records follows the TLS records of one way of a connection to an RPC port, whose first byte says that TLS follows. The
// zero value is at its beginning. Of what is no TLS it finds none.
type records struct {
	begun, clear bool
	header       []byte
	// left is how much of the current record's content is still to come.
	left int
}

// contents are the places in b at which the content of a record begins. The bytes are those that follow the ones before.
func (r *records) contents(b []byte) []int {
	var at []int
	for i := 0; i < len(b) && !r.clear; {
		switch {
		case !r.begun:
			r.begun, r.clear = true, b[i] != tlsByte
			i++
		case r.left > 0:
			n := min(r.left, len(b)-i)
			r.left -= n
			i += n
		case len(r.header) < recordHeader:
			r.header = append(r.header, b[i])
			i++
		case r.enter():
			at = append(at, i)
		}
	}
	return at
}

// enter goes on to the content of the record whose header has been read. It is false for what is no record's.
func (r *records) enter() bool {
	r.left = int(binary.BigEndian.Uint16(r.header[recordHeader-2:]))
	r.clear = r.header[0] < firstRecord || r.header[0] > lastRecord || r.header[1] != recordMajor || r.left > recordLongest || r.left == 0
	r.header = r.header[:0]
	return !r.clear
}
