package docker

import (
	"maps"
	"strings"

	"github.com/moby/moby/client"
)

const (
	labelPrefix = "nomadlab."
	labelLab    = labelPrefix + "lab"
	labelNode   = labelPrefix + "node"
	// labelImage begins what an image that was built here says of itself; its containers inherit that.
	labelImage = labelPrefix + "image"
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

// facts are the labels that Create was given, as it was given them.
func facts(labels map[string]string) map[string]string {
	own := maps.Clone(labels)
	maps.DeleteFunc(own, func(k, _ string) bool {
		return !strings.HasPrefix(k, labelPrefix) || k == labelLab || k == labelNode || strings.HasPrefix(k, labelImage)
	})
	out := make(map[string]string, len(own))
	for k, v := range own {
		out[strings.TrimPrefix(k, labelPrefix)] = v
	}
	return out
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
