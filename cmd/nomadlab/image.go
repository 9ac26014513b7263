package main

import (
	"context"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/image"
)

// imageFlags are the flags of `image`.
type imageFlags struct {
	versions   []string
	nomad      nomadFlags
	list, json bool
}

func (a *app) imageCommand() *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Find, pull or build Nomad, so that `up` need not wait for it",
		Long: `image finds, pulls or builds what labs run: an image for Docker, a nomad binary for processes. A
build needs Go, some minutes and some gigabytes of disk. It happens once for each version.`,
		Example: `  nomadlab image
  nomadlab image --nomad-version 1.11.3
  nomadlab image --list`,
		Args: noArguments(": name the version with --nomad-version"),
		RunE: a.with(func(cmd *cobra.Command, _ []string, e *engines.Set) error {
			if f.list {
				return a.listImages(cmd, e, f.json)
			}
			return a.getImages(cmd, e, f)
		}),
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.versions, "nomad-version", nil, "version of Nomad, or several (default "+image.DefaultVersion+")")
	f.nomad.addSources(cmd)
	flags.BoolVar(&f.list, "list", false, "list the images and binaries that were made here, and the versions that can be made")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	mustComplete(cmd, "nomad-version", fixed(image.Versions()...))
	return cmd
}

// nomadSource is an image, or a binary: its Ref is a path, and its ID is empty.
type nomadSource struct {
	Ref     string       `json:"ref"`
	ID      string       `json:"id,omitempty"`
	Version string       `json:"nomad_version,omitempty"`
	Source  image.Source `json:"source"`
}

func ofBinary(x image.Executable) nomadSource {
	return nomadSource{Ref: x.Path, Version: x.Version, Source: x.Source}
}

// requests returns what the flags ask for, or the default version.
func (f imageFlags) requests() []image.Request {
	var out []image.Request
	for _, v := range f.versions {
		out = append(out, image.Request{Version: v})
	}
	if f.nomad.image != "" {
		out = append(out, image.Request{Image: f.nomad.image})
	}
	if f.nomad.binary != "" {
		out = append(out, image.Request{Binary: f.nomad.binary})
	}
	if len(out) == 0 {
		out = append(out, image.Request{})
	}
	return out
}

func (a *app) getImages(cmd *cobra.Command, e *engines.Set, f imageFlags) error {
	c := a.console(cmd)
	var found []nomadSource
	for _, r := range f.requests() {
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
	if f.json {
		return c.out.json(found)
	}
	c.images(found)
	return nil
}

// resolve returns what labs run: an image, or without Docker a binary.
func resolve(ctx context.Context, dockerHost string, r image.Request, p image.Progress) (nomadSource, error) {
	if dockerHost == "" {
		x, err := image.ResolveBinary(ctx, r, p)
		return ofBinary(x), err
	}
	i, err := image.Resolve(ctx, dockerHost, r, p)
	return nomadSource(i), err
}

// known returns the images and binaries that were made here.
func known(ctx context.Context, dockerHost string) ([]nomadSource, error) {
	found := []nomadSource{}
	if dockerHost != "" {
		images, err := image.List(ctx, dockerHost)
		if err != nil {
			return nil, err
		}
		for _, i := range images {
			found = append(found, nomadSource(i))
		}
	}
	binaries, err := image.Binaries()
	for _, x := range binaries {
		found = append(found, ofBinary(x))
	}
	return found, err
}

func (a *app) listImages(cmd *cobra.Command, e *engines.Set, asJSON bool) error {
	c := a.console(cmd)
	images, err := known(cmd.Context(), e.Home().DockerHost())
	if err != nil {
		return err
	}
	if asJSON {
		return c.out.json(struct {
			Images    []nomadSource `json:"images"`
			Buildable []string      `json:"buildable"`
		}{images, image.Versions()})
	}
	if len(images) > 0 {
		c.images(images)
		c.out.printf("")
	}
	c.out.printf("can be built here without a registry: Nomad %s", strings.Join(image.Versions(), ", "))
	return nil
}

func (c console) images(images []nomadSource) {
	rows := make([]table.Row, 0, len(images))
	for _, i := range images {
		rows = append(rows, table.Row{i.Ref, orDash(i.Version), i.Source})
	}
	c.out.grid([]string{"IMAGE OR BINARY", "NOMAD", "SOURCE"}, rows)
}
