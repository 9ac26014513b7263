package labtest

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"testing"

	"nomadlab.internal/lab/engine/engines"
)

// Main adds the flag -engine to the tests of a package, runs them, and returns the exit code. Call it in TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(labtest.Main(m)) }
//
// The flag says where labs run: docker, process, or auto, which is Docker if it answers and processes otherwise.
func Main(m *testing.M) int {
	kind := flag.String("engine", cmp.Or(os.Getenv(engines.Variable), string(engines.Auto)), fmt.Sprintf("where labs run: one of %v", engines.Kinds()))
	flag.Parse()
	// The tests of this process read the variable, and so do the processes that they start.
	if err := os.Setenv(engines.Variable, *kind); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Engines returns the engines that NOMADLAB_ENGINE selects, open until the test ends.
func Engines(t testing.TB) *engines.Set {
	t.Helper()
	return open(t, engines.Kind(os.Getenv(engines.Variable)))
}

// open returns the engines of a kind, open until the test ends.
func open(t testing.TB, k engines.Kind) *engines.Set {
	t.Helper()
	e, err := engines.Open(t.Context(), k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}
