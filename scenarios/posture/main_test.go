package posture_test

import (
	"flag"
	"os"
	"testing"

	"nomadlab.internal/lab/labtest"
)

// labsAtOnce is how many weakened labs are up at the same time. Each spends most of its time waiting for limits of time.
const labsAtOnce = "5"

// updating says that docs/checks.md is to be written.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write docs/checks.md and fixtures/posture/default.yaml anew from what was seen")
	// Tests that wait can be many at once, whatever the number of processors; -parallel still has the last word.
	_ = flag.Set("test.parallel", labsAtOnce)
	os.Exit(labtest.Main(m))
}
