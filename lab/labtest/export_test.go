package labtest

import "testing"

// NameFor is the name of the lab of a test.
func NameFor(t testing.TB) string { return name(t) }
