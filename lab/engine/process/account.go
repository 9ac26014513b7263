package process

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"nomadlab.internal/internal/procfs"
	"nomadlab.internal/lab/engine"
)

// firstUser to lastUser are whom agents run as where the caller is root: as root, a client would make control groups and mounts
// on this machine, and its raw_exec tasks would be root here. They are above the accounts of people (UID_MAX in login.defs) and below
// the dynamic users of services; systemd's table of users has them as unused up to version 257 (UIDS-GIDS). They are not higher,
// because a user namespace usually maps 65536 users. nobody is somebody: other services use it. A number that a process has is not
// given to a node.
const firstUser, lastUser = 60578, 61183

// account is a user of this machine.
type account struct {
	uid, gid int
	// other is true where that is not the caller itself.
	other bool
}

// agents are whom nodes run as.
type agents struct {
	caller account
	// apart is true where the caller is root: each node has a user of its own, so that no task reads another node's keys.
	apart bool
}

// agentsOf are whom the nodes of that caller run as.
func agentsOf(euid int) (agents, error) {
	if euid != 0 {
		return agents{caller: account{uid: euid, gid: os.Getegid()}}, nil
	}
	if missing := missingPowers(); len(missing) > 0 {
		return agents{}, fmt.Errorf("%w: agents do not run as root, and this root lacks what it takes to run them as other users (%s): start as an ordinary user instead, or use Docker",
			engine.ErrUnavailable, strings.Join(missing, ", "))
	}
	return agents{apart: true}, nil
}

// have reports whether nodes may run as that user.
func (a agents) have(uid int) bool {
	return a.apart && firstUser <= uid && uid <= lastUser || !a.apart && uid == a.caller.uid
}

// orCaller reports whether that user is one of theirs, or runs this program.
func (a agents) orCaller(uid int) bool { return uid == a.caller.uid || a.have(uid) }

// is is the one user with that number, to look for processes.
func is(user int) func(uid int) bool { return func(uid int) bool { return uid == user } }

// reserveUser takes a user that no other node in the engine's folder has, nor a process of this machine, and notes it in the node's
// own. Those of engines with other folders begin elsewhere in the range, so that they seldom meet.
func (e *Engine) reserveUser(ctx context.Context, own string) (account, error) {
	const all = lastUser - firstUser + 1
	begin := fnv.New32a()
	_, _ = begin.Write([]byte(own)) // never fails
	var free account
	err := e.locked(ctx, func() error {
		taken, err := e.takenUsers()
		if err != nil {
			return err
		}
		for i := range uint32(all) {
			uid := firstUser + int((begin.Sum32()%all+i)%all)
			if !taken[uid] {
				free = account{uid: uid, gid: uid, other: true}
				return save(filepath.Join(own, userFile), uid)
			}
		}
		return fmt.Errorf("a node has each of the %d users that there are for nodes: remove a lab that is no longer needed", all)
	})
	return free, err
}

// takenUsers are those of the nodes in the engine's folder, and those that have a process: of a node that is gone one may be left
// that hides from its removal, and the next node's files are not for it.
func (e *Engine) takenUsers() (map[int]bool, error) {
	taken := map[int]bool{}
	runs, err := namesIn(e.root)
	if err != nil {
		return nil, err
	}
	for _, name := range runs {
		r := e.run(name)
		nodes, err := namesIn(r.own(nodesInOwn))
		if err != nil {
			return nil, err
		}
		for _, node := range nodes {
			uid, there, err := load[int](filepath.Join(r.node(node), userFile))
			if err != nil {
				return nil, err
			}
			if there {
				taken[uid] = true
			}
		}
	}
	processes, err := procfs.PIDs()
	if err != nil {
		return nil, err
	}
	for _, pid := range processes {
		taken[procfs.User(pid)] = true
	}
	return taken, nil
}

// namesIn are the names of the folders in a folder; none where that is not there, as of a run that is being removed.
func namesIn(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// of is the account that a Node's User asks for. It is nobody's, the zero account, where that is empty and the node is to have a
// user of its own.
func (a agents) of(user string) (account, error) {
	if user == "" {
		return a.caller, nil
	}
	u, g, _ := strings.Cut(user, ":")
	uid, err := strconv.Atoi(u)
	if err != nil {
		return account{}, fmt.Errorf("user %q is not uid:gid", user)
	}
	gid, err := strconv.Atoi(g)
	if err != nil {
		return account{}, fmt.Errorf("user %q is not uid:gid", user)
	}
	if uid == 0 || gid == 0 {
		return account{}, fmt.Errorf("user %s is root of this machine: leave the user out, and the node gets one without privileges", user)
	}
	if !a.apart && (uid != a.caller.uid || gid != a.caller.gid) {
		return account{}, fmt.Errorf("only root can run a node as user %s: leave the user out, and the node runs as you", user)
	}
	return account{uid: uid, gid: gid, other: a.apart}, nil
}

// credential is nil where the caller's own will do. It has no supplementary groups.
func (a account) credential() *syscall.Credential {
	if !a.other {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}
