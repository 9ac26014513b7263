package main

import (
	"cmp"
	"context"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/image"
)

// versions is what `version` tells.
type versions struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Nomad is the version that a lab runs unless another is asked for.
	Nomad string `json:"default_nomad_version"`
	// Engine is what labs run on, or why they cannot.
	Engine string `json:"engine"`
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show the versions of nomadlab and of what it uses",
		Example: "  nomadlab version --json",
		Args:    noArguments(""),
		RunE: a.do(func(cmd *cobra.Command, _ []string) error {
			v, out := build(), a.console(cmd).out
			v.Engine = a.engineInWords(cmd.Context())
			if asJSON {
				return out.json(v)
			}
			out.printf("nomadlab  %s", v.Version)
			if v.Revision != "" {
				out.printf("revision  %s", v.Revision)
			}
			out.printf("go        %s, %s", v.Go, v.Platform)
			out.printf("nomad     %s by default", v.Nomad)
			out.printf("engine    %s", v.Engine)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// build is what the executable says about itself.
func build() versions {
	v := versions{Version: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Nomad: image.DefaultVersion}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = cmp.Or(info.Main.Version, "(devel)")
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}

// engineInWords does not fail: that labs cannot run here is worth knowing too.
func (a *app) engineInWords(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, completing)
	defer cancel()
	e, err := a.engines(ctx)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = e.Close() }()
	if host := e.Home().DockerHost(); host != "" {
		return e.Home().Name() + " at " + host
	}
	return e.Home().Name()
}
