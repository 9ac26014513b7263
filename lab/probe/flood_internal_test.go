package probe

import (
	"math"
	"testing"
)

func TestSizeOfAFlood(t *testing.T) {
	for takes, want := range map[int]int{-1: 130, 0: 130, 100: 130, 101: 131, 1000: 1030, 100_000: 1030, math.MaxInt: 1030} {
		if got := (Target{MaxConnections: map[Plane]int{PlaneRPC: takes}}).floodSize(PlaneRPC, 130); got != want {
			t.Errorf("where it takes %d the flood is %d, want %d", takes, got, want)
		}
	}
	if got := (Target{}).floodSize(PlaneRPC, 130); got != 130 {
		t.Errorf("where that is not known the flood is %d, want 130", got)
	}
}

// TestMaxParallel: the smallest limit counts, two connections are left free, and without any limit there is none.
func TestMaxParallel(t *testing.T) {
	for want, takes := range map[int]map[Plane]int{
		0: nil, 1: {PlaneHTTP: 1}, 2: {PlaneHTTP: 100, PlaneRPC: 4}, 98: {PlaneHTTP: 100, PlaneRPC: 0},
	} {
		if got := (Target{MaxConnections: takes}).MaxParallel(); got != want {
			t.Errorf("takes %v: %d at once, want %d", takes, got, want)
		}
	}
}
