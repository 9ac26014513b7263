package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"time"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/engine"
)

// lockInterval is the time between two attempts to take a lock.
const lockInterval = 2 * time.Millisecond

// loopback returns the range in which all nodes have their addresses.
func loopback() netip.Prefix { return netip.MustParsePrefix("127.0.0.0/8") }

// Occupied returns the subnets of the labs here, and every loopback address with a listener: the records of other users'
// labs cannot be read.
func (e *Engine) Occupied(context.Context) ([]netip.Prefix, error) {
	taken, err := listeners()
	if err != nil {
		return nil, err
	}
	runs, err := e.runs()
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		if !r.Task {
			taken = append(taken, r.Subnet)
		}
	}
	return taken, nil
}

// CreateNetwork reserves the lab's name, run and subnet: it makes the folder of the run. Nothing else is needed, because
// every Linux has all of 127.0.0.0/8. It first removes runs that a crash left without a record.
func (e *Engine) CreateNetwork(ctx context.Context, n engine.Network) error {
	if err := errors.Join(checkName(n.Lab), checkName(n.Run)); err != nil {
		return fmt.Errorf("create the network of lab %q, run %q: %w", n.Lab, n.Run, err)
	}
	n.Subnet = n.Subnet.Masked()
	if !n.Subnet.IsValid() || !loopback().Contains(n.Subnet.Addr()) || n.Subnet.Bits() < loopback().Bits() {
		return fmt.Errorf("create the network of lab %s: subnet %s is not within %s, where this engine's nodes are: name one that is, or leave it out",
			n.Lab, n.Subnet, loopback())
	}
	return e.withLock(ctx, func() error {
		e.removeUnrecorded(ctx)
		if err := e.checkFree(n); err != nil {
			return err
		}
		return e.reserve(n)
	})
}

// checkFree returns why the name or the subnet is not free.
func (e *Engine) checkFree(n engine.Network) error {
	runs, err := e.runs()
	if err != nil {
		return err
	}
	for _, r := range runs {
		switch {
		case r.Task:
		case r.Lab == n.Lab:
			return fmt.Errorf("%w: a network of lab %s", engine.ErrExists, n.Lab)
		case r.Subnet.Overlaps(n.Subnet):
			return fmt.Errorf("%w: %s overlaps %s of lab %s", engine.ErrSubnetTaken, n.Subnet, r.Subnet, r.Lab)
		}
	}
	taken, err := listeners()
	for _, t := range taken {
		if t.Overlaps(n.Subnet) {
			return fmt.Errorf("%w: something listens on %s, which is in %s", engine.ErrSubnetTaken, t.Addr(), n.Subnet)
		}
	}
	return err
}

func (e *Engine) reserve(n engine.Network) error {
	r := e.run(n.Run)
	err := r.make(e.users.separate)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: run %s", engine.ErrExists, n.Run)
	}
	if err == nil {
		err = save(r.own(labFile), labRecord{Lab: n.Lab, Run: n.Run, Created: time.Now().UTC(), Subnet: n.Subnet, Labels: n.Labels})
	}
	if err != nil {
		return fmt.Errorf("make the folder of lab %s: %w", n.Lab, e.explain(errors.Join(err, os.RemoveAll(r.folder))))
	}
	return nil
}

// listeners returns the loopback addresses that TCP sockets listen on. Sockets that listen on every address are left out,
// because no subnet is free of them.
func listeners() ([]netip.Prefix, error) {
	all, err := procfs.Listening()
	if err != nil {
		return nil, fmt.Errorf("list what listens on loopback: %w", err)
	}
	var taken []netip.Prefix
	for _, address := range all {
		if loopback().Contains(address) {
			taken = append(taken, netip.PrefixFrom(address, 32))
		}
	}
	return taken, nil
}
