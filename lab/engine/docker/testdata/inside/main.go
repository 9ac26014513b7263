// Inside is what a test runs in a container that has the Docker daemon's socket: it makes a lab of one node through the
// engine, and says where and whether it reached the node.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"time"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/docker"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	e, err := docker.New(ctx)
	if err != nil {
		return err
	}
	var n engine.Node
	if err := json.Unmarshal([]byte(os.Getenv("NODE")), &n); err != nil {
		return err
	}
	subnet, err := netip.ParsePrefix(os.Getenv("SUBNET"))
	if err != nil {
		return err
	}
	if err := e.CreateNetwork(ctx, engine.Network{Lab: n.Lab, Subnet: subnet}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Remove(context.WithoutCancel(ctx), n.Lab)) }()
	if err := e.Create(ctx, n); err != nil {
		return err
	}
	s, err := e.Start(ctx, n.Ref)
	if err != nil {
		return err
	}
	said, err := ask(ctx, s.Endpoints[n.Ports[0]])
	fmt.Printf("%s %s", s.Endpoints[n.Ports[0]], said)
	return err
}

// ask tries until the node answers.
func ask(ctx context.Context, at netip.AddrPort) (string, error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	c := http.Client{Timeout: time.Second}
	for {
		answer, err := c.Get("http://" + at.String() + "/")
		if err == nil {
			defer func() { _ = answer.Body.Close() }()
			said, err := io.ReadAll(answer.Body)
			return string(said), err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("%w, %w", context.Cause(ctx), err)
		case <-ticker.C:
		}
	}
}
