package process

import (
	"cmp"
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
	// binFolder, in a node's folder, has a link to the node's program. The node's PATH begins with it.
	binFolder = "bin"
	// usualProgram is the name of that link if the node does not say otherwise.
	usualProgram = "nomad"
	// tempFolder is the node's TMPDIR.
	tempFolder = "tmp"
)

// Create makes the node's folder, which only the node's user may enter and who owns everything in it. That user is the
// caller, or, if the caller is root, one that no account and no other node has. Create returns an error if a port is taken.
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
		if err := checkPortFree(ctx, netip.AddrPortFrom(n.Address, port)); err != nil {
			return fmt.Errorf("create %s: %w", n.Ref, err)
		}
	}
	own := e.run(n.Run).node(n.Node)
	if err := os.Mkdir(own, 0o700); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: node %s", engine.ErrExists, n.Ref)
	} else if err != nil {
		return fmt.Errorf("create %s: %w", n.Ref, e.explain(err))
	}
	if user == (account{}) {
		if user, err = e.reserveUser(ctx, own); err != nil {
			return fmt.Errorf("create %s: %w", n.Ref, errors.Join(err, os.RemoveAll(own)))
		}
	}
	record := nodeRecord{
		Ref: n.Ref, Run: n.Run, Image: n.Image, Program: n.Program, Command: n.Command, Folder: n.Folder, Environment: n.Environment,
		UID: user.uid, GID: user.gid, OwnersGiven: n.User != "",
		Address: n.Address, Ports: n.Ports, Labels: n.Labels, Caller: lab.Subnet.Addr().Next(),
	}
	if err := e.fill(n, user, record); err != nil {
		left := os.RemoveAll(e.run(n.Run).home(n.Node))
		if left == nil { // otherwise its user must not become another node's
			left = os.RemoveAll(own)
		}
		return fmt.Errorf("create %s: %w", n.Ref, e.explain(errors.Join(err, left)))
	}
	return nil
}

// check returns the user of a node, or why it cannot be created.
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
	if err := errors.Join(checkProgram(n.Image), checkName(cmp.Or(n.Program, usualProgram))); err != nil {
		return account{}, err
	}
	return e.users.parse(n.User)
}

// fill makes the node's folder with everything in it. The folder belongs to the caller until the end, so that no task can
// replace what is being written. The record is written last: with it, the node exists.
func (e *Engine) fill(n engine.Node, user account, record nodeRecord) error {
	home := e.run(n.Run).home(n.Node)
	if err := makeFolder(home, 0o700); err != nil {
		return err
	}
	if err := writeFiles(home, n.Files); err != nil {
		return err
	}
	name := cmp.Or(n.Program, usualProgram)
	program, err := e.programFor(e.run(n.Run), n.Image, name)
	if err != nil {
		return err
	}
	for _, folder := range []string{binFolder, tempFolder} {
		if err := os.Mkdir(filepath.Join(home, folder), 0o700); err != nil {
			return err
		}
	}
	if err := os.Symlink(program, filepath.Join(home, binFolder, name)); err != nil {
		return err
	}
	if user.isOther {
		if err := chownAll(home, user, n); err != nil {
			return err
		}
	}
	return save(filepath.Join(e.run(n.Run).node(n.Node), nodeFile), record)
}

// checkPortFree returns an error if another program has the port. The agent itself would end with a line in its log.
func checkPortFree(ctx context.Context, at netip.AddrPort) error {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", at.String())
	if err != nil {
		return fmt.Errorf("another program holds port %d on %s: %w: often a Nomad agent that listens on 0.0.0.0 has it on every address; "+
			"`ss -ltnp sport = :%[1]d` names the program: end it, or use Docker, where every node has a network of its own",
			at.Port(), at.Addr(), err)
	}
	return l.Close()
}

// searchPath returns the PATH of nodes and tasks. It has nothing of the caller's.
func searchPath(bin string) string {
	return "PATH=" + strings.Join([]string{bin, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}, string(os.PathListSeparator))
}

// environment returns the whole environment of a node's processes. It has none of the caller's variables: AWS_CA_BUNDLE,
// for example, can make an agent fail, and others hold secrets.
func (e *Engine) environment(n nodeRecord) []string {
	home := e.run(n.Run).home(n.Node)
	defaults := []string{searchPath(filepath.Join(home, binFolder)), "TMPDIR=" + filepath.Join(home, tempFolder)}
	marks := []string{markLab + n.Lab, markNode + n.Node, markRun + n.Run, markID + n.id(), e.markOf(n.Lab)}
	return slices.Concat(defaults, n.Environment, marks)
}

func (n nodeRecord) account(all nodeUsers) account {
	return account{uid: n.UID, gid: n.GID, isOther: all.separate}
}

func (n nodeRecord) endpoints() map[uint16]netip.AddrPort {
	out := make(map[uint16]netip.AddrPort, len(n.Ports))
	for _, p := range n.Ports {
		out[p] = netip.AddrPortFrom(n.Address, p)
	}
	return out
}
