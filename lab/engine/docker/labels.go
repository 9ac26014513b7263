package docker

import (
	"cmp"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/moby/moby/client"

	"nomadlab.internal/lab/engine"
)

const (
	labelPrefix = "nomadlab."
	labelLab    = labelPrefix + "lab"
	labelNode   = labelPrefix + "node"
	// labelRun is the one of those that Create and CreateNetwork are given by which a lab's volumes are found.
	labelRun = labelPrefix + "run"
	// labelInside lists the ports that the node serves on its own loopback, so that any process can reach them.
	labelInside = labelPrefix + "inside"
	// labelAddress is the node's fixed address, which Docker forgets of a container that was taken off its network.
	labelAddress = labelPrefix + "address"
	// labelImage begins what an image that was built here says of itself; its containers inherit that.
	labelImage = labelPrefix + "image"
	// labelImageVersion and labelOfficialVersion say which Nomad is in an image that was built here, and in the official
	// one (Dockerfile of Nomad 1.11.3).
	labelImageVersion, labelOfficialVersion = labelImage + ".version", "org.opencontainers.image.version"
)

// labels are a lab's labels, all of them under one prefix so that they clash with nobody's.
func labels(lab, node string, more map[string]string) map[string]string {
	all := map[string]string{labelLab: lab}
	if node != "" {
		all[labelNode] = node
	}
	for k, v := range more {
		all[labelPrefix+k] = v
	}
	return all
}

// nodeLabels are those of a node's container.
func nodeLabels(n engine.Node) map[string]string {
	all := labels(n.Lab, n.Node, n.Labels)
	if len(n.Inside) > 0 {
		all[labelInside] = strings.Trim(fmt.Sprint(n.Inside), "[]")
	}
	if n.Address.IsValid() {
		all[labelAddress] = n.Address.String()
	}
	return all
}

// insidePorts are a container's ports that are reached inside it.
func insidePorts(labels map[string]string) []uint16 {
	var out []uint16
	for field := range strings.FieldsSeq(labels[labelInside]) {
		if n, err := strconv.ParseUint(field, 10, 16); err == nil {
			out = append(out, uint16(n))
		}
	}
	return out
}

// facts are the labels that Create was given, as it was given them.
func facts(labels map[string]string) map[string]string {
	own := maps.Clone(labels)
	maps.DeleteFunc(own, func(k, _ string) bool {
		return !strings.HasPrefix(k, labelPrefix) || k == labelLab || k == labelNode || k == labelInside || k == labelAddress || strings.HasPrefix(k, labelImage)
	})
	out := make(map[string]string, len(own))
	for k, v := range own {
		out[strings.TrimPrefix(k, labelPrefix)] = v
	}
	return out
}

// version is what a container has from its image.
func version(labels map[string]string) string {
	return cmp.Or(labels[labelImageVersion], labels[labelOfficialVersion])
}

// ofLab selects one lab's objects; with an empty name, every lab's.
func ofLab(lab string) client.Filters {
	term := labelLab
	if lab != "" {
		term += "=" + lab
	}
	return make(client.Filters).Add("label", term)
}

func containerName(lab, node string) string { return "nomadlab-" + lab + "-" + node }

func networkName(lab string) string { return "nomadlab-" + lab }
