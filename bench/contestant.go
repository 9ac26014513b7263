package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/moby/moby/client"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/spec"
)

var (
	//go:embed floor.sh
	floorScript string
	//go:embed docker.sh
	dockerScript string
)

// contestant is one way to bring up clusters: a script, or lab.Up on an engine.
type contestant struct {
	name, title string
	// against is the name of the contestant that it is compared with. Empty: none.
	against string
	// script is the text of a bash script. Empty: the contestant is lab.Up.
	script string
	// engine is where lab.Up runs nodes.
	engine engines.Kind
	// source is where the lab's certificates come from, such as spec.VaultSource. Empty: the lab makes them.
	source string
	// limit is the ratio that it is to stay below, without the start of a Vault server. Zero: none.
	limit float64
}

func (c contestant) isScript() bool { return c.script != "" }
func (c contestant) isSource() bool { return c.source != "" }
func (c contestant) isEngine() bool { return !c.isScript() && !c.isSource() }

// inRounds reports whether it takes part in the rounds of results.rounds. Sources have rounds of their own.
func (c contestant) inRounds() bool { return !c.isSource() }

// Names of the contestants.
const (
	floorByHand  = "processes-by-hand"
	onProcesses  = "process"
	dockerByHand = "docker-by-hand"
	onDocker     = "docker"
)

// contestants returns all of them, each engine after the script that it is compared with, and the sources after the engines.
func contestants() []contestant {
	all := []contestant{
		{name: floorByHand, title: "processes, by hand", script: floorScript},
		{name: onProcesses, title: "process engine", against: floorByHand, engine: engines.Process},
		{name: dockerByHand, title: "docker run, by hand", script: dockerScript},
		{name: onDocker, title: "Docker engine", against: dockerByHand, engine: engines.Docker},
	}
	return slices.Concat(all, sourcesOn(all[1]), sourcesOn(all[3]))
}

// names returns the names of the contestants that are of a kind.
func names(kind func(contestant) bool) []string {
	var out []string
	for _, c := range contestants() {
		if kind(c) {
			out = append(out, c.name)
		}
	}
	return out
}

// attempt is one cluster that a contestant brings up. It must be removed, even if it was never begun.
type attempt interface {
	observed
	// begin brings the cluster up. It returns when the contestant has done its part; the cluster need not be ready then.
	begin(ctx context.Context) error
	// remove removes everything and returns when it is gone. It does so even if ctx has ended.
	remove(ctx context.Context) error
}

// observed is what the observer must know of a cluster that is coming up. Both methods are called repeatedly, from one
// goroutine.
type observed interface {
	// clientTLS returns the configuration for connections to the servers, or nil if the keys are not made yet.
	clientTLS() *tls.Config
	// servers returns the HTTP addresses of the servers that have been started so far.
	servers() []netip.AddrPort
}

const (
	// serverCount is the number of servers in each cluster.
	serverCount = 3
	// removalTimeout limits the removal of a cluster.
	removalTimeout = 2 * time.Minute
)

// environment holds what the contestants need: engines, an image, a binary. close releases it.
type environment struct {
	// folder is where each script gets a folder of its own.
	folder string
	// image is empty if no contestant uses containers.
	image image.Image
	// nomad is the value of --nomad; binary is the program that was found, and version its version.
	nomad, binary, version string
	timeout                time.Duration
	engines                map[engines.Kind]engine.Engine
	// docker is a connection to the Docker daemon, or nil if no contestant uses it.
	docker *client.Client
	// sources are those that take part, and leftOut those that cannot.
	sources []contestant
	leftOut []leftOut
}

// newEnvironment gets everything that must be there before a clock starts.
func newEnvironment(ctx context.Context, s settings, progress func(string)) (*environment, error) {
	e := &environment{nomad: s.nomad, timeout: s.timeout, engines: map[engines.Kind]engine.Engine{}}
	if s.sourceRounds == 0 {
		s.sources = nil
	}
	err := e.connect(ctx, slices.Concat(s.contestants, s.engines, s.sources))
	if err == nil {
		err = e.getNomad(ctx, progress)
	}
	if err == nil {
		err = e.lookForParts(ctx, s.sources)
	}
	if err == nil {
		e.folder, err = os.MkdirTemp("", "nomadlab-bench-")
	}
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// connect opens the engines that are needed. docker.sh needs the image, and with it the Docker engine's daemon.
func (e *environment) connect(ctx context.Context, wanted []string) error {
	for _, c := range contestants() {
		needed := slices.Contains(wanted, c.name) || c.name == onDocker && slices.Contains(wanted, dockerByHand)
		if c.isScript() || !needed || e.engines[c.engine] != nil {
			continue
		}
		set, err := engines.Open(ctx, c.engine)
		if err != nil {
			return err
		}
		e.engines[c.engine] = set.Home()
	}
	d := e.engines[engines.Docker]
	if d == nil {
		return nil
	}
	docker, err := client.New(client.WithHost(d.DockerHost()))
	if err != nil {
		return fmt.Errorf("connect to the Docker daemon at %s: %w", d.DockerHost(), err)
	}
	e.docker = docker
	return nil
}

func (e *environment) getNomad(ctx context.Context, progress func(string)) error {
	tell := func(event image.Event) { progress(event.Text) }
	if e.docker != nil {
		got, err := image.Resolve(ctx, e.docker.DaemonHost(), image.Request{}, tell)
		if err != nil {
			return err
		}
		e.image = got
	}
	got, err := image.ResolveBinary(ctx, image.Request{Binary: e.nomad}, tell)
	if err != nil {
		return fmt.Errorf("a nomad binary for the scripts: %w", err)
	}
	e.binary, e.version = got.Path, got.Version
	return nil
}

// close closes the engines. The folder of a script that still removes its cluster stays.
func (e *environment) close() error {
	var errs []error
	for _, x := range e.engines {
		errs = append(errs, x.Close())
	}
	if e.docker != nil {
		errs = append(errs, e.docker.Close())
	}
	if e.folder != "" {
		_ = os.Remove(e.folder) // it is not empty if a script still needs it, which was reported
	}
	return errors.Join(errs...)
}

// prepare does what is not measured, and returns a cluster that can begin.
func (e *environment) prepare(ctx context.Context, c contestant, clients int) (attempt, error) {
	if c.isScript() {
		variables := []string{"NOMAD=" + e.binary, "IMAGE=" + e.image.Ref, "LOOPBACK=" + randomLoopback()}
		return startScript(ctx, c, e.folder, variables, clients)
	}
	on, nomad := e.engines[c.engine], spec.Nomad{Binary: e.nomad}
	if on.DockerHost() != "" {
		nomad = spec.Nomad{Image: e.image.Ref}
	}
	wanted := spec.Spec{Name: randomName(), Nomad: nomad}.With(spec.Servers(serverCount), spec.Clients(clients))
	if c.isSource() {
		wanted = wanted.With(spec.CertificatesFrom(c.source))
	}
	return &labAttempt{engine: on, docker: e.docker, spec: wanted, timeout: e.timeout}, nil
}

// randomName returns a name that no other lab has.
func randomName() string { return fmt.Sprintf("bench-%x", randomBytes(4)) }

// randomLoopback returns the first three parts of loopback addresses that neither another run nor the process engine
// uses.
func randomLoopback() string {
	r := randomBytes(2)
	return fmt.Sprintf("127.%d.%d", 130+r[0]%100, r[1])
}

func randomBytes(n int) []byte {
	out := make([]byte, n)
	_, _ = rand.Read(out) // never fails (crypto/rand)
	return out
}

// sweepAfter is the age at which the next start on this machine may remove a lab of a benchmark that was killed
// together with its watchdog.
const sweepAfter = time.Hour

// labAttempt is a lab that lab.Up brings up. All that lab.Up does is measured.
type labAttempt struct {
	engine  engine.Engine
	docker  *client.Client
	spec    spec.Spec
	timeout time.Duration

	mu     sync.Mutex
	began  time.Time
	lab    *lab.Lab
	config *tls.Config
	steps  []step
}

// begin returns when lab.Up does.
func (a *labAttempt) begin(ctx context.Context) error {
	a.mu.Lock()
	a.began = time.Now()
	a.mu.Unlock()
	var noTLS error
	l, err := lab.Up(ctx, a.engine, a.spec, lab.UpOptions{
		Timeout: a.timeout, Expires: time.Now().Add(sweepAfter), Progress: a.progress,
		Begun: func(l *lab.Lab) { noTLS = a.begun(l) },
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lab = l // nil if lab.Up failed and has removed it
	return errors.Join(err, noTLS)
}

// begun makes the lab visible to the observer as soon as its keys are made.
func (a *labAttempt) begun(l *lab.Lab) error {
	config, err := l.Credential().ClientTLS(l.Servers()[0].ServerName())
	if err != nil {
		return fmt.Errorf("the lab's cli certificate: %w", err)
	}
	a.progress(lab.Event{Text: "keys and certificates are made"})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lab, a.config = l, config
	return nil
}

func (a *labAttempt) progress(e lab.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.steps = append(a.steps, step{at: time.Since(a.began).Seconds(), source: "lab", text: e.Text})
}

// told returns lab.Up's progress so far.
func (a *labAttempt) told() []step {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.steps)
}

func (a *labAttempt) current() *lab.Lab {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lab
}

func (a *labAttempt) clientTLS() *tls.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.config
}

// servers returns those that have an address, which they get when they are started.
func (a *labAttempt) servers() []netip.AddrPort {
	l := a.current()
	if l == nil {
		return nil
	}
	var out []netip.AddrPort
	for _, n := range l.Servers() {
		if at := n.HTTP(); at.IsValid() {
			out = append(out, at)
		}
	}
	return out
}

func (a *labAttempt) remove(ctx context.Context) error {
	l := a.current()
	if l == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalTimeout)
	defer cancel()
	if err := l.Down(ctx); err != nil {
		return fmt.Errorf("remove lab %s: %w", a.spec.Name, err)
	}
	return nil
}

// memory counts the memory of all agents that run now.
func (a *labAttempt) memory(ctx context.Context) (memory, error) {
	f := a.engine.Footprint("lab", a.spec.Name)
	if f.Label != "" {
		return containerMemory(ctx, a.docker, f.Label)
	}
	return processMemory(f.Marker)
}
