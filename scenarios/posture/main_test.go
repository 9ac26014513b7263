package posture_test

import (
	"flag"
	"os"
	"testing"

	"nomadlab.internal/lab/labtest"
)

// labsAtOnce is how many weakened labs are up at the same time. Each spends most of its time waiting for limits of time.
const labsAtOnce = "5"

// updating says that what was seen, or the page that is made of it, is to be written.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write testdata/seen.json from what was seen, or docs/checks.md from that")
	// Tests that wait can be many at once, whatever the number of processors; -parallel still has the last word.
	_ = flag.Set("test.parallel", labsAtOnce)
	os.Exit(labtest.Main(m))
}
