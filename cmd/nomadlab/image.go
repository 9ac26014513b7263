package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/image"
)

// imageFlags are the flags of `image`.
type imageFlags struct {
	parts      []string
	versions   []string
	nomad      nomadFlags
	binaries   partBinaries
	list, json bool
}

func (a *app) imageCommand() *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Find, pull or build Nomad and other parts of labs, so that `up` need not wait for them",
		Long: `image finds, pulls or builds what labs run: an image for Docker, a binary for processes. Every lab runs
Nomad. Labs whose certificates come from Vault also run Vault and consul-template, which is a file on Docker too. A
build needs Go, some minutes and some gigabytes of disk. It happens once for each version.`,
		Example: `  nomadlab image
  nomadlab image --nomad-version 1.11.3
  nomadlab image --part vault,consul-template
  nomadlab image --list`,
		Args: noArguments(": name the part with --part, and the version of Nomad with --nomad-version"),
		RunE: a.with(func(cmd *cobra.Command, _ []string, e *engines.Set) error {
			requests, err := f.requests()
			switch {
			case err != nil:
				return asUsage(cmd, err)
			case f.list:
				return a.listImages(cmd, e, f.json)
			}
			return a.getImages(cmd, e, requests, f.json)
		}),
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.parts, "part", nil, "part of a lab, or several: "+strings.Join(partNames(), ", ")+" (default nomad)")
	flags.StringSliceVar(&f.versions, "nomad-version", nil, "version of Nomad, or several (default "+image.DefaultVersion+")")
	f.nomad.addSources(cmd)
	f.binaries.add(cmd)
	flags.BoolVar(&f.list, "list", false, "list the parts: what is here, and the versions that can be built")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	mustComplete(cmd, "part", fixed(partNames()...))
	mustComplete(cmd, "nomad-version", fixed(image.Nomad.Versions()...))
	return cmd
}

// partBinaries are the flags for binaries of the user's own, of the parts besides Nomad.
type partBinaries struct{ vault, consulTemplate string }

func (f *partBinaries) add(cmd *cobra.Command) {
	for part, to := range map[image.Part]*string{image.Vault: &f.vault, image.ConsulTemplate: &f.consulTemplate} {
		usage := fmt.Sprintf("use this %s binary (with Docker a static one)", part)
		cmd.Flags().StringVar(to, strings.TrimPrefix(part.Flag(), "--"), "", usage)
	}
}

// of returns the path that the user set for a part, or "".
func (f *partBinaries) of(p image.Part) string {
	switch p {
	case image.Vault:
		return f.vault
	case image.ConsulTemplate:
		return f.consulTemplate
	default:
		return ""
	}
}

func partNames() []string {
	var names []string
	for _, part := range image.Parts() {
		names = append(names, part.Name())
	}
	return names
}

// requests returns what the flags ask for, in the order of image.Parts, or the default Nomad.
func (f imageFlags) requests() ([]image.Request, error) {
	wanted := map[image.Part]bool{}
	for _, name := range f.parts {
		part, err := image.ParsePart(name)
		if err != nil {
			return nil, fmt.Errorf("--part: %w", err)
		}
		wanted[part] = true
	}
	var all []image.Request
	for _, part := range image.Parts() {
		named := f.named(part)
		if len(named) == 0 && wanted[part] {
			named = []image.Request{{Part: part}}
		}
		all = append(all, named...)
	}
	if len(all) == 0 {
		all = append(all, image.Request{})
	}
	return all, nil
}

// named returns the requests for the versions, images and binaries of a part that the user named.
func (f imageFlags) named(p image.Part) []image.Request {
	if p != image.Nomad {
		if binary := f.binaries.of(p); binary != "" {
			return []image.Request{{Part: p, Binary: binary}}
		}
		return nil
	}
	var all []image.Request
	for _, v := range f.versions {
		all = append(all, image.Request{Part: p, Version: v})
	}
	if f.nomad.image != "" {
		all = append(all, image.Request{Part: p, Image: f.nomad.image})
	}
	if f.nomad.binary != "" {
		all = append(all, image.Request{Part: p, Binary: f.nomad.binary})
	}
	return all
}

// partSource is an image, or a binary: its Ref is a path, and its ID is empty.
type partSource struct {
	Part    image.Part `json:"part"`
	Ref     string     `json:"ref"`
	ID      string     `json:"id,omitempty"`
	Version string     `json:"version,omitempty"`
	// NomadVersion is the Version of Nomad; it is empty for another part.
	NomadVersion string       `json:"nomad_version,omitempty"`
	Source       image.Source `json:"source"`
}

func ofImage(i image.Image) partSource {
	return newPartSource(i.Part, i.Ref, i.ID, i.Version, i.Source)
}

func ofBinary(x image.Executable) partSource {
	return newPartSource(x.Part, x.Path, "", x.Version, x.Source)
}

func newPartSource(p image.Part, ref, id, version string, source image.Source) partSource {
	s := partSource{Part: p, Ref: ref, ID: id, Version: version, Source: source}
	if p == image.Nomad {
		s.NomadVersion = version
	}
	return s
}

func (a *app) getImages(cmd *cobra.Command, e *engines.Set, requests []image.Request, asJSON bool) error {
	c := a.console(cmd)
	var found []partSource
	for _, r := range requests {
		p := newProgress(c.errs)
		i, err := resolve(cmd.Context(), e.Home().DockerHost(), r, func(e image.Event) {
			if e.Stage == image.StageLicence {
				p.done(e.Text)
			} else {
				p.doing(string(e.Stage), e.Text)
			}
		})
		p.stop()
		if err != nil {
			return err
		}
		found = append(found, i)
	}
	if asJSON {
		return c.out.json(found)
	}
	c.images(found)
	return nil
}

// resolve returns what labs run: an image, or a binary without Docker and of a part that is copied into nodes.
func resolve(ctx context.Context, dockerHost string, r image.Request, p image.Progress) (partSource, error) {
	if dockerHost == "" || r.Part.AsFile() {
		x, err := image.ResolveFile(ctx, dockerHost, r, p)
		return ofBinary(x), err
	}
	i, err := image.Resolve(ctx, dockerHost, r, p)
	return ofImage(i), err
}

// known returns the images and binaries that were made here.
func known(ctx context.Context, dockerHost string) ([]partSource, error) {
	found := []partSource{}
	if dockerHost != "" {
		images, err := image.List(ctx, dockerHost)
		if err != nil {
			return nil, err
		}
		for _, i := range images {
			found = append(found, ofImage(i))
		}
	}
	binaries, err := image.Binaries()
	for _, x := range binaries {
		found = append(found, ofBinary(x))
	}
	slices.SortStableFunc(found, func(a, b partSource) int {
		return slices.Index(image.Parts(), a.Part) - slices.Index(image.Parts(), b.Part)
	})
	return found, err
}

// partState is what `image --list` says about a part.
type partState struct {
	Part           image.Part `json:"part"`
	DefaultVersion string     `json:"default_version"`
	// Here reports whether the default version is on this machine, so that a lab need not pull or build it.
	Here      bool     `json:"here"`
	Buildable []string `json:"buildable"`
	// BuildMinutes is about how long a build of the default version takes on two cores.
	BuildMinutes int `json:"build_minutes"`
}

func partStates(ctx context.Context, dockerHost string) ([]partState, error) {
	var states []partState
	for _, part := range image.Parts() {
		here, err := image.Cached(ctx, dockerHost, image.Request{Part: part})
		if err != nil {
			return nil, err
		}
		states = append(states, partState{
			Part: part, DefaultVersion: part.DefaultVersion(), Here: here, Buildable: part.Versions(),
			BuildMinutes: int(part.BuildTime(part.DefaultVersion()).Minutes()),
		})
	}
	return states, nil
}

func (a *app) listImages(cmd *cobra.Command, e *engines.Set, asJSON bool) error {
	c := a.console(cmd)
	images, err := known(cmd.Context(), e.Home().DockerHost())
	if err != nil {
		return err
	}
	parts, err := partStates(cmd.Context(), e.Home().DockerHost())
	if err != nil {
		return err
	}
	if asJSON {
		return c.out.json(struct {
			Images    []partSource `json:"images"`
			Buildable []string     `json:"buildable"` // of Nomad
			Parts     []partState  `json:"parts"`
		}{images, image.Nomad.Versions(), parts})
	}
	if len(images) > 0 {
		c.images(images)
		c.out.printf("")
	}
	c.parts(parts)
	return nil
}

func (c console) images(images []partSource) {
	rows := make([]table.Row, 0, len(images))
	for _, i := range images {
		rows = append(rows, table.Row{i.Ref, i.Part, orDash(i.Version), i.Source})
	}
	c.out.grid([]string{"IMAGE OR BINARY", "PART", "VERSION", "SOURCE"}, rows)
}

func (c console) parts(parts []partState) {
	rows := make([]table.Row, 0, len(parts))
	for _, p := range parts {
		here := "no: pulled or built when a lab needs it"
		if p.Here {
			here = "yes"
		}
		build := fmt.Sprintf("%s, about %d min on two cores", strings.Join(p.Buildable, ", "), p.BuildMinutes)
		rows = append(rows, table.Row{p.Part, p.DefaultVersion, here, build})
	}
	c.out.grid([]string{"PART", "DEFAULT", "HERE", "CAN BE BUILT WITHOUT A REGISTRY"}, rows)
}
