package main

import (
	"strings"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine"
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
		Short: "Get the image of Nomad now, so that `up` need not wait",
		Long: `image finds, pulls or builds the image that labs run. A build needs Go, a few minutes and
some gigabytes of disk; it is done once for each version.`,
		Example: `  nomadlab image
  nomadlab image --nomad-version 1.11.3
  nomadlab image --list`,
		Args: noArguments(": name the version with --nomad-version"),
		RunE: a.with(func(cmd *cobra.Command, _ []string, e engine.Engine) error {
			if f.list {
				return a.listImages(cmd, e, f.json)
			}
			return a.getImages(cmd, e, f)
		}),
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.versions, "nomad-version", nil, "version of Nomad, or several (default "+image.DefaultVersion+")")
	flags.StringVar(&f.image, "image", "", "look for this image, and pull it if it is not here")
	flags.StringVar(&f.binary, "nomad-binary", "", "make an image around this nomad binary (static, for Linux)")
	flags.BoolVar(&f.list, "list", false, "list the images that were made here, and the versions that can be")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	mustComplete(cmd, "nomad-version", fixed(image.Versions()...))
	mustComplete(cmd, "image", fixed())
	return cmd
}

// imageEntry is an image in one line.
type imageEntry struct {
	Ref     string       `json:"ref"`
	ID      string       `json:"id"`
	Version string       `json:"nomad_version,omitempty"`
	Source  image.Source `json:"source"`
}

func imageEntries(images []image.Image) []imageEntry {
	out := make([]imageEntry, 0, len(images))
	for _, i := range images {
		out = append(out, imageEntry(i))
	}
	return out
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

func (a *app) getImages(cmd *cobra.Command, e engine.Engine, f imageFlags) error {
	c := a.console(cmd)
	var images []image.Image
	for _, r := range f.requests() {
		p := newProgress(c.errs)
		i, err := image.ResolveAt(cmd.Context(), e.DockerHost(), r, func(e image.Event) { p.doing(string(e.Stage), e.Text) })
		p.stop()
		if err != nil {
			return err
		}
		images = append(images, i)
	}
	if f.json {
		return c.out.json(imageEntries(images))
	}
	c.images(images)
	return nil
}

func (a *app) listImages(cmd *cobra.Command, e engine.Engine, asJSON bool) error {
	c := a.console(cmd)
	images, err := image.ListAt(cmd.Context(), e.DockerHost())
	if err != nil {
		return err
	}
	if asJSON {
		return c.out.json(struct {
			Images    []imageEntry `json:"images"`
			Buildable []string     `json:"buildable"`
		}{imageEntries(images), image.Versions()})
	}
	if len(images) > 0 {
		c.images(images)
		c.out.printf("")
	}
	c.out.printf("can be built here without a registry: Nomad %s", strings.Join(image.Versions(), ", "))
	return nil
}

func (c console) images(images []image.Image) {
	rows := make([][]string, 0, len(images))
	for _, i := range images {
		rows = append(rows, []string{i.Ref, orDash(i.Version), string(i.Source)})
	}
	c.out.grid([]string{"IMAGE", "NOMAD", "SOURCE"}, rows)
}
