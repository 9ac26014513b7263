package main

import (
	"cmp"
	"context"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/image"
)

// versions is the output of `version`.
type versions struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Nomad is the version that a lab runs by default.
	Nomad string `json:"default_nomad_version"`
	// Engine is what labs run on, or why none can run.
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
			for _, row := range [][2]string{
				{"nomadlab", v.Version}, {"revision", v.Revision}, {"go", v.Go + ", " + v.Platform},
				{"nomad", v.Nomad + " by default"}, {"engine", v.Engine},
			} {
				if row[1] != "" {
					out.printf("%-9s %s", row[0], row[1])
				}
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// build returns the versions that the executable records.
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

// engineInWords returns the engine's name and address, or the error that it does not answer.
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
