package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nomadlab.internal/lab/engine"
)

const (
	// binFolder, in a node's folder, has the nomad that its PATH begins with.
	binFolder = "bin"
	// tempFolder is the node's own, so that nothing of it stays elsewhere.
	tempFolder = "tmp"
)

// Create makes the node's folder, which only the node's user may enter: the caller, or where that is root, a user that no
// account and no other node has. All that is in it belongs to that user. It refuses a node whose ports are taken.
func (e *Engine) Create(ctx context.Context, n engine.Node) error {
	user, err := e.check(n)
	if err != nil {
		return fmt.Errorf("create %s: %w", n.Ref, err)
	}
	lab, there, err := load[labRecord](e.run(n.Run).own(labFile))
	if err != nil || !there || lab.Lab != n.Lab || lab.Task {
		return errors.Join(err, fmt.Errorf("%w: run %q of lab %s, to create node %s in", engine.ErrNotFound, n.Run, n.Lab, n.Node))
	}
	for _, port := range n.Ports {
		if err := demandFree(ctx, netip.AddrPortFrom(n.Address, port)); err != nil {
			return fmt.Errorf("create %s: %w", n.Ref, err)
		}
	}
	own := e.run(n.Run).node(n.Node)
	if err := os.Mkdir(own, 0o700); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: node %s", engine.ErrExists, n.Ref)
	} else if err != nil {
		return fmt.Errorf("create %s: %w", n.Ref, e.explain(err))
	}
	if user == (account{}) { // root's
		if user, err = e.reserveUser(ctx, own); err != nil {
			return fmt.Errorf("create %s: %w", n.Ref, errors.Join(err, os.RemoveAll(own)))
		}
	}
	record := nodeRecord{
		Ref: n.Ref, Run: n.Run, Image: n.Image, Command: n.Command, Environment: n.Environment, UID: user.uid, GID: user.gid,
		Address: n.Address, Ports: n.Ports, Labels: n.Labels, Caller: lab.Subnet.Addr().Next(),
	}
	if err := e.furnish(n, user, record); err != nil {
		left := os.RemoveAll(e.run(n.Run).home(n.Node))
		if left == nil { // else its user must not become another node's
			left = os.RemoveAll(own)
		}
		return fmt.Errorf("create %s: %w", n.Ref, e.explain(errors.Join(err, left)))
	}
	return nil
}

// check refuses what cannot become a node, and returns its user.
func (e *Engine) check(n engine.Node) (account, error) {
	if err := errors.Join(checkName(n.Lab), checkName(n.Run), checkName(n.Node)); err != nil {
		return account{}, err
	}
	if len(n.Ports) == 0 {
		return account{}, errors.New("it has no port to listen on")
	}
	if len(n.Command) == 0 {
		return account{}, errors.New("it has no command")
	}
	if !loopback().Contains(n.Address) {
		return account{}, fmt.Errorf("its address %s is not within %s", n.Address, loopback())
	}
	if err := checkProgram(n.Image); err != nil {
		return account{}, err
	}
	return e.agents.of(n.User)
}

// furnish makes the folder with everything in it. It belongs to us until the end, so that no other node's task can exchange
// what is being written. The record comes last: it says that the node is there.
func (e *Engine) furnish(n engine.Node, user account, record nodeRecord) error {
	home := e.run(n.Run).home(n.Node)
	if err := makeFolder(home, 0o700); err != nil {
		return err
	}
	if err := lay(home, n.Files); err != nil {
		return err
	}
	nomad, err := e.reachable(e.run(n.Run), n.Image)
	if err != nil {
		return err
	}
	for _, folder := range []string{binFolder, tempFolder} {
		if err := os.Mkdir(filepath.Join(home, folder), 0o700); err != nil {
			return err
		}
	}
	if err := os.Symlink(nomad, filepath.Join(home, binFolder, "nomad")); err != nil {
		return err
	}
	if user.other {
		if err := give(home, user, n); err != nil {
			return err
		}
	}
	return save(filepath.Join(e.run(n.Run).node(n.Node), nodeFile), record)
}

// demandFree returns who may have the port. An agent that cannot have it would end with a line in its log.
func demandFree(ctx context.Context, at netip.AddrPort) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", at.String())
	if err != nil {
		return fmt.Errorf("another program holds port %d on %s: %w: often a Nomad agent that listens on 0.0.0.0 has it on every address; "+
			"`ss -ltnp sport = :%[1]d` names the program: end it, or use Docker, where every node has a network of its own",
			at.Port(), at.Addr(), err)
	}
	return l.Close()
}

// searchPath is the PATH of everything that runs here. Of the caller's own nothing is taken.
func searchPath(bin string) string {
	return "PATH=" + strings.Join([]string{bin, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}, string(os.PathListSeparator))
}

// environment is what every process of the node gets, and nothing beside: a variable of the caller such as AWS_CA_BUNDLE
// can kill an agent, and others hold secrets.
func (e *Engine) environment(n nodeRecord) []string {
	home := e.run(n.Run).home(n.Node)
	defaults := []string{searchPath(filepath.Join(home, binFolder)), "TMPDIR=" + filepath.Join(home, tempFolder)}
	marks := []string{markLab + n.Lab, markNode + n.Node, markRun + n.Run, markID + n.id(), e.at(n.Lab)}
	return slices.Concat(defaults, n.Environment, marks)
}

func (n nodeRecord) account(all agents) account {
	return account{uid: n.UID, gid: n.GID, other: all.apart}
}

func (n nodeRecord) endpoints() map[uint16]netip.AddrPort {
	out := make(map[uint16]netip.AddrPort, len(n.Ports))
	for _, p := range n.Ports {
		out[p] = netip.AddrPortFrom(n.Address, p)
	}
	return out
}
