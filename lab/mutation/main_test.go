package mutation_test

import (
	"flag"
	"os"
	"testing"

	"nomadlab.internal/lab/labtest"
)

// clustersAtOnce is how many clusters of the proof are up at the same time, unless -parallel says another number: each spends
// part of its time waiting for limits of time.
const clustersAtOnce = "6"

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write seen.json from what the proof sees, or docs/checks.md from that")
	flag.Bool("unpacked", false, "prove each mutation in a cluster of its own")
	_ = flag.Set("test.parallel", clustersAtOnce)
	os.Exit(labtest.Main(m))
}

// updating reports whether what was seen, or the page that is made of it, is to be written.
func updating() bool { return isSet("update") }

// unpacked reports whether each mutation is to have a cluster of its own.
func unpacked() bool { return isSet("unpacked") }

func isSet(name string) bool { return flag.Lookup(name).Value.String() == "true" }
