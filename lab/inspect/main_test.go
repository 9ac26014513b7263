package inspect_test

import (
	"flag"
	"os"
	"testing"

	"nomadlab.internal/lab/labtest"
)

// clustersAtOnce is how many tests that bring up clusters run at the same time, unless -parallel says another number: they wait
// more than they compute.
const clustersAtOnce = "4"

func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", clustersAtOnce)
	os.Exit(labtest.Main(m))
}
