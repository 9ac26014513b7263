package docker_test

import (
	"context"
	"testing"

	"github.com/moby/moby/client"
)

// TestVolumesOfARun: volumes of another run stay, even if its lab had the same name.
func TestVolumesOfARun(t *testing.T) {
	t.Parallel()
	w := bareTestLab(t)
	volume := func(run string) string {
		t.Helper()
		v, err := w.Client().VolumeCreate(t.Context(), client.VolumeCreateOptions{
			Name: w.lab + "-" + run, Labels: map[string]string{"nomadlab.run": run},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_, _ = w.Client().VolumeRemove(context.Background(), v.Volume.Name, client.VolumeRemoveOptions{Force: true})
		})
		return v.Volume.Name
	}
	ours, theirs := volume(w.lab+"-1"), volume(w.lab+"-2")
	w = w.withNetwork(t, map[string]string{"run": w.lab + "-1"})
	if err := w.Remove(t.Context(), w.lab); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{ours: false, theirs: true} {
		_, err := w.Client().VolumeInspect(t.Context(), name, client.VolumeInspectOptions{})
		if got := err == nil; got != want {
			t.Errorf("volume %s is there: %v, want %v (%v)", name, got, want, err)
		}
	}
}
