package lab

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"nomadlab.internal/internal/state"
	"nomadlab.internal/lab/engine"
)

// Listed describes a lab by the engine's labels, which exist also for a lab whose folder was lost.
type Listed struct {
	Name string `json:"name"`
	// Engine is the name of the engine that runs the lab's nodes.
	Engine string `json:"engine"`
	// Running counts the nodes that run and are neither paused nor cut off from the lab's network. Nodes counts the nodes that
	// the lab began with, also those that are missing now, and the extra nodes that run.
	Running int `json:"running"`
	Nodes   int `json:"nodes"`
	// Nomad and Created are zero if they are not known.
	Nomad   string    `json:"nomad_version,omitempty"`
	Created time.Time `json:"created,omitzero"`
	// Expires is when the next start may remove the lab of a test or scenario. Zero for a lab that stays.
	Expires time.Time `json:"expires,omitzero"`
	// State is running, partly running, stopped, or empty for a lab without nodes.
	State string `json:"state"`
	// FolderLost is why the lab's folder cannot be read. The lab can still be removed.
	FolderLost string `json:"folder_lost,omitempty"`
	// KeptIn is the lab's folder if it is in another state folder than ours, such as another user's. FolderLost is empty then.
	KeptIn string `json:"kept_in,omitempty"`
	// Origin is "compose" for a lab that Docker Compose brought up, and empty for all others.
	Origin string `json:"origin,omitempty"`
}

// List returns the engines' labs in the order of their names. It also removes the copies of keys of labs that Docker Compose
// has taken down.
func List(ctx context.Context, engines ...engine.Engine) ([]Listed, error) {
	out := []Listed{}
	for _, e := range engines {
		labs, err := e.Labs(ctx)
		if err != nil {
			return nil, err
		}
		_ = removeComposeLeftovers(e, labs) // an error there must not keep the list from the user
		for name, found := range labs {
			x := listed(name, found)
			x.Engine = e.Name()
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b Listed) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Engine, b.Engine)) })
	return out, nil
}

func listed(name string, found engine.LabState) Listed {
	x := Listed{Name: name}
	x.describe(found)
	members, _ := strconv.Atoi(found.Labels[state.LabelMembers]) // older labs have no such label
	there, extra := 0, 0
	for _, s := range found.Nodes {
		members = max(members, len(state.ComposeNodes(s.Labels)))
		if s.Labels[state.LabelService] != "" {
			continue
		}
		switch {
		case s.Labels[state.LabelExtraNode] == "":
			there++
		case s.Running:
			extra++
		}
		if s.Running && !s.Paused && s.CutOff == "" {
			x.Running++
		}
	}
	x.Nodes = max(members, there) + extra
	switch {
	case len(found.Nodes) == 0:
		x.State = "empty"
	case x.Running == x.Nodes:
		x.State = "running"
	case slices.ContainsFunc(found.Nodes, func(s engine.State) bool { return s.Running }):
		x.State = "partly running"
	default:
		x.State = "stopped"
	}
	return x
}

func (x *Listed) describe(found engine.LabState) {
	labels := found.Labels
	x.Nomad, x.Origin = labels[state.LabelVersion], labels[state.LabelOrigin]
	x.Created, _ = time.Parse(time.RFC3339, labels[state.LabelCreated])
	x.Expires, _ = time.Parse(time.RFC3339, labels[state.LabelExpires])
	if x.Origin == state.Compose {
		x.Created = found.Created
		if len(found.Nodes) > 0 {
			x.Nomad = found.Nodes[0].Version
		}
		return
	}
	if state.OtherState(x.Name, labels) != nil {
		x.KeptIn = state.KeptIn(x.Name, labels).Path
		return
	}
	if _, err := state.FolderOf(x.Name, labels[state.LabelRun]).Read(); err != nil {
		x.FolderLost = err.Error()
	}
}
