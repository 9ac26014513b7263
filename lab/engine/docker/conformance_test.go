package docker_test

import (
	"context"
	"io/fs"
	"net/netip"
	"testing"

	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/enginetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	e := connect(t)
	image := nomadImage(t, e)
	enginetest.Run(t, enginetest.Subject{
		Engine:  e,
		Subnets: netip.MustParsePrefix("10.208.0.0/12"),
		Prepare: func(n *engine.Node) { n.Image, n.User, n.Ports = image, "1000:1000", []uint16{8080} },
		Serve: func(n *engine.Node) {
			n.Command = []string{"/bin/sh", "-c", service}
			n.Files = append(n.Files,
				engine.File{Path: "/www", Mode: fs.ModeDir | 0o755, Owner: 1000},
				engine.File{Path: "/www/index.html", Mode: 0o644, Owner: 1000, Data: []byte(n.Ref.String())})
		},
		NoImage: "nomadlab/no-such-image:0",
		Traces: func(ctx context.Context, lab, _ string) ([]string, error) {
			filter := make(client.Filters).Add("label", "nomadlab.lab="+lab)
			containers, err := e.Client().ContainerList(ctx, client.ContainerListOptions{All: true, Filters: filter})
			if err != nil {
				return nil, err
			}
			networks, err := e.Client().NetworkList(ctx, client.NetworkListOptions{Filters: filter})
			if err != nil {
				return nil, err
			}
			var all []string
			for _, c := range containers.Items {
				all = append(all, "container "+c.ID)
			}
			for _, n := range networks.Items {
				all = append(all, "network "+n.ID)
			}
			return all, nil
		},
	})
}
