package probe

import (
	"slices"
	"testing"
)

// TestRecordsAreFound: records are found with any division of the bytes.
func TestRecordsAreFound(t *testing.T) {
	record := func(kind byte, content ...byte) []byte {
		return append([]byte{kind, 3, 3, 0, byte(len(content))}, content...)
	}
	stream := slices.Concat([]byte{tlsByte}, record(22, 1, 2, 3), record(20, 1), record(23, 9, 9))
	want := []int{6, 14, 20}
	for size := 1; size <= len(stream); size++ {
		var r tlsRecords
		var got []int
		for from := 0; from < len(stream); from += size {
			for _, at := range r.contents(stream[from:min(from+size, len(stream))]) {
				got = append(got, from+at)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %v, want %v", size, got, want)
		}
	}
	for name, plain := range map[string][]byte{
		"another first byte":        append([]byte{2}, stream[1:]...),
		"no record":                 {tlsByte, 'h', 'e', 'l', 'l', 'o', 'h', 'e', 'l', 'l', 'o'},
		"another version":           {tlsByte, 22, 2, 3, 0, 1, 7},
		"a record that is too long": {tlsByte, 22, 3, 3, 0xff, 0xff, 7},
	} {
		if got := new(tlsRecords).contents(plain); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestAtMostOneBitOfAConnection: one bit to the agent is flipped, and none of its answer.
func TestAtMostOneBitOfAConnection(t *testing.T) {
	i := &BitFlipProxy{flip: RecordFlip{Marker: "word"}}
	h := i.newFilter()
	for _, step := range []struct {
		text, want string
		way        Direction
	}{{"a word", "a word", ToCaller}, {"a word", "a wore", ToAgent}, {"a word", "a word", ToAgent}} {
		b := []byte(step.text)
		if h.pass(b, step.way); string(b) != step.want {
			t.Errorf("%s: %q, want %q", step.way, b, step.want)
		}
	}
	if h.closed(); i.Counts() != (ProxyCounts{Connections: 1, Flipped: 1, Ended: 1}) {
		t.Errorf("seen was %+v", i.Counts())
	}
}
