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
	// labelRun names the run. Volumes of a lab have only this label; callers of Create and CreateNetwork set it.
	labelRun = labelPrefix + "run"
	// labelInside lists the ports that the node serves on its own loopback, for processes that did not create it.
	labelInside = labelPrefix + "inside"
	// labelAddress is the node's fixed address, which Docker forgets when a container is disconnected from its network.
	labelAddress = labelPrefix + "address"
	// labelImage is the prefix of the labels of images that were built here; their containers inherit them.
	labelImage = labelPrefix + "image"
	// labelImageVersion and labelOfficialVersion are Nomad's version in an image that was built here, and in the official
	// one (Dockerfile of Nomad 1.11.3).
	labelImageVersion, labelOfficialVersion = labelImage + ".version", "org.opencontainers.image.version"
)

// labels returns the labels of an object of a lab. All begin with labelPrefix. An empty node means that it is no node's.
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

// nodeLabels returns the labels of a node's container.
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

// insidePorts returns the ports that a container serves on its own loopback, from its labels.
func insidePorts(labels map[string]string) []uint16 {
	var out []uint16
	for field := range strings.FieldsSeq(labels[labelInside]) {
		if n, err := strconv.ParseUint(field, 10, 16); err == nil {
			out = append(out, uint16(n))
		}
	}
	return out
}

// callerLabels returns the labels that the caller of Create or CreateNetwork gave, without the prefix.
func callerLabels(labels map[string]string) map[string]string {
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

// version returns Nomad's version from a container's labels, which it has from its image. Empty: unknown.
func version(labels map[string]string) string {
	return cmp.Or(labels[labelImageVersion], labels[labelOfficialVersion])
}

// ofLab returns a filter for the objects of one lab, or, if the name is empty, of every lab.
func ofLab(lab string) client.Filters {
	term := labelLab
	if lab != "" {
		term += "=" + lab
	}
	return make(client.Filters).Add("label", term)
}

func containerName(lab, node string) string { return "nomadlab-" + lab + "-" + node }

func networkName(lab string) string { return "nomadlab-" + lab }
