package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"slices"

	"nomadlab.internal/bench/contest"
	"nomadlab.internal/bench/measure"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/spec"
)

// floorScript is the contestant by hand without containers.
//
//go:embed floor.sh
var floorScript string

// dockerScript is the contestant by hand with containers.
//
//go:embed docker.sh
var dockerScript string

// Names of the contestants. Those of our engines are the engines' own.
const (
	floorByHand  = "processes-by-hand"
	dockerByHand = "docker-by-hand"
	onDocker     = "docker"
	onProcesses  = "process"
)

// ours is one of our engines as a contestant.
type ours struct {
	about measure.Contestant
	kind  engines.Kind
}

// ourEngines are all engines that there are.
func ourEngines() []ours {
	return []ours{
		{
			about: measure.Contestant{Name: onProcesses, Title: "process engine", Against: floorByHand},
			kind:  engines.Process,
		},
		{
			about: measure.Contestant{Name: onDocker, Title: "Docker engine", Against: dockerByHand},
			kind:  engines.Docker,
		},
	}
}

// names are those of all contestants, each engine behind the script that it is compared with.
func names() []string {
	var out []string
	for _, script := range []string{floorByHand, dockerByHand} {
		out = append(out, script)
		for _, o := range ourEngines() {
			if o.about.Against == script {
				out = append(out, o.about.Name)
			}
		}
	}
	return out
}

// engineNames are those of the engines.
func engineNames() []string {
	var out []string
	for _, o := range ourEngines() {
		out = append(out, o.about.Name)
	}
	return out
}

// field is everybody who takes part, and what they stand on.
type field struct {
	// folder is where the scripts have theirs.
	folder string
	// image is empty where nobody needs containers.
	image image.Image
	// binary is the path of a nomad, and version what it says of itself.
	binary, version string
	engines         map[string]engine.Engine
}

// gather gets all that must be there before any clock starts: the engines, Nomad's image and its binary.
func gather(ctx context.Context, s settings, tell func(string)) (*field, error) {
	f := &field{engines: map[string]engine.Engine{}}
	err := f.connect(ctx, slices.Concat(s.contestants, s.engines))
	if err == nil {
		err = f.getNomad(ctx, s, tell)
	}
	if err == nil {
		f.folder, err = os.MkdirTemp("", "nomadlab-bench-")
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// connect connects to the engines that are needed. The script that uses Docker needs its image, and so its daemon.
func (f *field) connect(ctx context.Context, wanted []string) error {
	for _, o := range ourEngines() {
		needed := slices.Contains(wanted, o.about.Name) || o.about.Name == onDocker && slices.Contains(wanted, dockerByHand)
		if !needed {
			continue
		}
		set, err := engines.Open(ctx, o.kind)
		if err != nil {
			return err
		}
		f.engines[o.about.Name] = set.Home()
	}
	return nil
}

// dockerHost is the address of the Docker daemon. Empty where nobody needs one.
func (f *field) dockerHost() string {
	if d := f.engines[onDocker]; d != nil {
		return d.DockerHost()
	}
	return ""
}

func (f *field) getNomad(ctx context.Context, s settings, tell func(string)) error {
	if at := f.dockerHost(); at != "" {
		got, err := image.ResolveAt(ctx, at, image.Request{}, func(e image.Event) { tell(e.Text) })
		if err != nil {
			return err
		}
		f.image = got
	}
	got, err := image.ResolveBinary(ctx, image.Request{Binary: s.nomad}, func(e image.Event) { tell(e.Text) })
	if err != nil {
		return fmt.Errorf("a nomad binary for the scripts: %w", err)
	}
	f.binary, f.version = got.Path, got.Version
	return nil
}

// close gives everything back. The folder of a script that still removes its cluster stays.
func (f *field) close() error {
	var errs []error
	for _, e := range f.engines {
		errs = append(errs, e.Close())
	}
	if f.folder != "" {
		_ = os.Remove(f.folder) // not empty when a script still needs it, and that was reported
	}
	return errors.Join(errs...)
}

// contestants are those that are wanted, each beside the one that it is compared with.
func (f *field) contestants(wanted []string, s settings) []contest.Contestant {
	environment := []string{"NOMAD=" + f.binary, "IMAGE=" + f.image.Ref, "LOOPBACK=" + loopback()}
	all := []contest.Contestant{
		contest.Script{
			Contestant: measure.Contestant{Name: floorByHand, Title: "processes, by hand"},
			Text:       floorScript, Environment: environment, Folder: f.folder,
		},
		contest.Script{
			Contestant: measure.Contestant{Name: dockerByHand, Title: "docker run, by hand"},
			Text:       dockerScript, Environment: environment, Folder: f.folder,
		},
	}
	for _, o := range ourEngines() {
		if e := f.engines[o.about.Name]; e != nil {
			all = append(all, f.ours(o.about, e, wanted, s))
		}
	}
	all = slices.DeleteFunc(all, func(c contest.Contestant) bool { return !slices.Contains(wanted, c.About().Name) })
	slices.SortFunc(all, func(a, b contest.Contestant) int {
		return slices.Index(names(), a.About().Name) - slices.Index(names(), b.About().Name)
	})
	return all
}

// ours is the contestant that is one of our engines. It is compared with its script, if that takes part.
func (f *field) ours(about measure.Contestant, e engine.Engine, wanted []string, s settings) contest.Contestant {
	if !slices.Contains(wanted, about.Against) {
		about.Against = ""
	}
	nomad := spec.Nomad{Binary: s.nomad}
	if e.DockerHost() != "" {
		nomad = spec.Nomad{Image: f.image.Ref}
	}
	return contest.Lab{Contestant: about, Engine: e, Nomad: nomad, Name: labName, Timeout: s.timeout}
}

// labName is a name that no other lab has.
func labName() string { return fmt.Sprintf("bench-%x", random(4)) }

// loopback is the beginning of addresses that no other run uses, nor our own engine, and that are far from those that
// people use.
func loopback() string {
	r := random(2)
	return fmt.Sprintf("127.%d.%d", 130+r[0]%100, r[1])
}

func random(n int) []byte {
	out := make([]byte, n)
	_, _ = rand.Read(out) // never fails (crypto/rand)
	return out
}
