package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/image"
)

// imageFlags are the flags of `image`.
type imageFlags struct {
	versions []string
	image    string
	binary   string
	list     bool
	json     bool
}

func (a *app) imageCommand() *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Get Nomad now, so that `up` need not wait",
		Long: `image finds, pulls or builds what labs run: an image for Docker, a nomad binary for processes. A
build needs Go, a few minutes and some gigabytes of disk; it is done once for each version.`,
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
	flags.StringVar(&f.image, "image", "", "look for this image, and pull it if it is not here")
	flags.StringVar(&f.binary, "nomad-binary", "", "look at this nomad binary, and for Docker make an image around it (a static one)")
	flags.BoolVar(&f.list, "list", false, "list the images and binaries that were made here, and the versions that can be")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	mustComplete(cmd, "nomad-version", fixed(image.Versions()...))
	mustComplete(cmd, "image", fixed())
	return cmd
}

// imageEntry is an image in one line, or a binary, whose Ref is its path and which has no ID.
type imageEntry struct {
	Ref     string       `json:"ref"`
	ID      string       `json:"id,omitempty"`
	Version string       `json:"nomad_version,omitempty"`
	Source  image.Source `json:"source"`
}

func binaryEntry(x image.Executable) imageEntry {
	return imageEntry{Ref: x.Path, Version: x.Version, Source: x.Source}
}

func (f imageFlags) requests() []image.Request {
	var out []image.Request
	for _, v := range f.versions {
		out = append(out, image.Request{Version: v})
	}
	if f.image != "" {
		out = append(out, image.Request{Image: f.image})
	}
	if f.binary != "" {
		out = append(out, image.Request{Binary: f.binary})
	}
	if len(out) == 0 {
		out = append(out, image.Request{})
	}
	return out
}

func (a *app) getImages(cmd *cobra.Command, e *engines.Set, f imageFlags) error {
	c := a.console(cmd)
	var entries []imageEntry
	for _, r := range f.requests() {
		p := newProgress(c.errs)
		i, err := resolve(cmd.Context(), e.Home().DockerHost(), r, func(e image.Event) { p.doing(string(e.Stage), e.Text) })
		p.stop()
		if err != nil {
			return err
		}
		entries = append(entries, i)
	}
	if f.json {
		return c.out.json(entries)
	}
	c.images(entries)
	return nil
}

// resolve gets what labs run: an image, or a binary where there is no Docker.
func resolve(ctx context.Context, dockerHost string, r image.Request, p image.Progress) (imageEntry, error) {
	if dockerHost == "" {
		x, err := image.ResolveBinary(ctx, r, p)
		return binaryEntry(x), err
	}
	i, err := image.ResolveAt(ctx, dockerHost, r, p)
	return imageEntry(i), err
}

// known are the images and binaries that were made here.
func known(ctx context.Context, dockerHost string) ([]imageEntry, error) {
	entries := []imageEntry{}
	if dockerHost != "" {
		images, err := image.ListAt(ctx, dockerHost)
		if err != nil {
			return nil, err
		}
		for _, i := range images {
			entries = append(entries, imageEntry(i))
		}
	}
	binaries, err := image.Binaries()
	for _, x := range binaries {
		entries = append(entries, binaryEntry(x))
	}
	return entries, err
}

func (a *app) listImages(cmd *cobra.Command, e *engines.Set, asJSON bool) error {
	c := a.console(cmd)
	images, err := known(cmd.Context(), e.Home().DockerHost())
	if err != nil {
		return err
	}
	if asJSON {
		return c.out.json(struct {
			Images    []imageEntry `json:"images"`
			Buildable []string     `json:"buildable"`
		}{images, image.Versions()})
	}
	if len(images) > 0 {
		c.images(images)
		c.out.printf("")
	}
	c.out.printf("can be built here without a registry: Nomad %s", strings.Join(image.Versions(), ", "))
	return nil
}

func (c console) images(images []imageEntry) {
	rows := make([][]string, 0, len(images))
	for _, i := range images {
		rows = append(rows, []string{i.Ref, orDash(i.Version), string(i.Source)})
	}
	c.out.grid([]string{"IMAGE OR BINARY", "NOMAD", "SOURCE"}, rows)
}
