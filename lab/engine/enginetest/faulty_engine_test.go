package enginetest_test

import (
	"context"
	"io"
	"net/netip"
	"time"

	"nomadlab.internal/lab/engine"
)

// faultyEngine is an engine with some methods replaced.
type faultyEngine struct {
	engine.Engine
	occupied      func(ctx context.Context) ([]netip.Prefix, error)
	createNetwork func(ctx context.Context, n engine.Network) error
	create        func(ctx context.Context, n engine.Node) error
	start         func(ctx context.Context, r engine.Ref) (engine.State, error)
	stop          func(ctx context.Context, r engine.Ref, grace time.Duration) error
	kill          func(ctx context.Context, r engine.Ref) error
	pause         func(ctx context.Context, r engine.Ref) error
	exec          func(ctx context.Context, r engine.Ref, c engine.Command) (int, error)
	run           func(ctx context.Context, t engine.Task) (int, error)
	logs          func(ctx context.Context, r engine.Ref, follow bool) (io.ReadCloser, error)
	copyIn        func(ctx context.Context, r engine.Ref, files []engine.File) error
	reload        func(ctx context.Context, r engine.Ref) error
	restart       func(ctx context.Context, r engine.Ref, o engine.Restart) (engine.State, error)
	copyOut       func(ctx context.Context, r engine.Ref, folder string) ([]engine.File, error)
	nodes         func(ctx context.Context, lab string) ([]engine.State, error)
	labs          func(ctx context.Context) (map[string]engine.LabState, error)
	remove        func(ctx context.Context, lab string) error
}

// newFaultyEngine returns an engine without any fault yet.
func newFaultyEngine(e engine.Engine) *faultyEngine {
	return &faultyEngine{
		Engine: e, occupied: e.Occupied, createNetwork: e.CreateNetwork, create: e.Create, start: e.Start, stop: e.Stop, kill: e.Kill,
		pause: e.Pause, exec: e.Exec, run: e.Run, logs: e.Logs, copyOut: e.CopyOut, nodes: e.Nodes, labs: e.Labs, remove: e.Remove,
		copyIn: e.CopyIn, reload: e.Reload, restart: e.RestartProgram,
	}
}

func (b *faultyEngine) Occupied(ctx context.Context) ([]netip.Prefix, error) { return b.occupied(ctx) }

func (b *faultyEngine) CreateNetwork(ctx context.Context, n engine.Network) error {
	return b.createNetwork(ctx, n)
}

func (b *faultyEngine) Create(ctx context.Context, n engine.Node) error { return b.create(ctx, n) }

func (b *faultyEngine) Start(ctx context.Context, r engine.Ref) (engine.State, error) {
	return b.start(ctx, r)
}

func (b *faultyEngine) Stop(ctx context.Context, r engine.Ref, grace time.Duration) error {
	return b.stop(ctx, r, grace)
}

func (b *faultyEngine) Kill(ctx context.Context, r engine.Ref) error { return b.kill(ctx, r) }

func (b *faultyEngine) Pause(ctx context.Context, r engine.Ref) error { return b.pause(ctx, r) }

func (b *faultyEngine) Exec(ctx context.Context, r engine.Ref, c engine.Command) (int, error) {
	return b.exec(ctx, r, c)
}

func (b *faultyEngine) Run(ctx context.Context, t engine.Task) (int, error) { return b.run(ctx, t) }

func (b *faultyEngine) Logs(ctx context.Context, r engine.Ref, follow bool) (io.ReadCloser, error) {
	return b.logs(ctx, r, follow)
}

func (b *faultyEngine) CopyOut(ctx context.Context, r engine.Ref, folder string) ([]engine.File, error) {
	return b.copyOut(ctx, r, folder)
}

func (b *faultyEngine) Nodes(ctx context.Context, lab string) ([]engine.State, error) {
	return b.nodes(ctx, lab)
}

func (b *faultyEngine) Labs(ctx context.Context) (map[string]engine.LabState, error) {
	return b.labs(ctx)
}

func (b *faultyEngine) Remove(ctx context.Context, lab string) error { return b.remove(ctx, lab) }

func (b *faultyEngine) CopyIn(ctx context.Context, r engine.Ref, files []engine.File) error {
	return b.copyIn(ctx, r, files)
}

func (b *faultyEngine) Reload(ctx context.Context, r engine.Ref) error { return b.reload(ctx, r) }

func (b *faultyEngine) RestartProgram(ctx context.Context, r engine.Ref, o engine.Restart) (engine.State, error) {
	return b.restart(ctx, r, o)
}
