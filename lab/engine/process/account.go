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

// firstUser to lastUser are the users of nodes if the caller is root. As root, a client would make control groups and
// mounts on this machine, and its raw_exec tasks would be root here. The range is above the accounts of people (UID_MAX in
// login.defs) and below the dynamic users of services; systemd lists it as unused up to version 257 (UIDS-GIDS). It is
// below 65536, which is what a user namespace usually maps. The user nobody is not used, because other services use it.
const firstUser, lastUser = 60578, 61183

// account is a user of this machine.
type account struct {
	uid, gid int
	// isOther is true if it is not the caller's.
	isOther bool
}

// nodeUsers are the users that nodes may have.
type nodeUsers struct {
	caller account
	// separate is true if the caller is root: each node has a user of its own, so that no task reads another node's keys.
	separate bool
}

// nodeUsersFor returns the users for the nodes of a caller.
func nodeUsersFor(euid int) (nodeUsers, error) {
	if euid != 0 {
		return nodeUsers{caller: account{uid: euid, gid: os.Getegid()}}, nil
	}
	if missing := missingCapabilities(); len(missing) > 0 {
		return nodeUsers{}, fmt.Errorf("%w: agents do not run as root, and this root lacks what it takes to run them as other users (%s): start as an ordinary user instead, or use Docker",
			engine.ErrUnavailable, strings.Join(missing, ", "))
	}
	return nodeUsers{separate: true}, nil
}

// include reports whether a node may have that user.
func (a nodeUsers) include(uid int) bool {
	return a.separate && firstUser <= uid && uid <= lastUser || !a.separate && uid == a.caller.uid
}

// includeOrCaller reports whether that user is a node's or the caller.
func (a nodeUsers) includeOrCaller(uid int) bool { return uid == a.caller.uid || a.include(uid) }

// onlyUser returns a function that reports whether a user is that one.
func onlyUser(user int) func(uid int) bool { return func(uid int) bool { return uid == user } }

// reserveUser returns a user that no other node in the engine's folder has, and no process of this machine, and records it
// in the node's folder. The search begins at a place in the range that depends on the folder, so that engines with other
// folders seldom choose the same user.
func (e *Engine) reserveUser(ctx context.Context, own string) (account, error) {
	const all = lastUser - firstUser + 1
	begin := fnv.New32a()
	_, _ = begin.Write([]byte(own)) // never fails
	var free account
	err := e.withLock(ctx, func() error {
		taken, err := e.takenUsers()
		if err != nil {
			return err
		}
		for i := range uint32(all) {
			uid := firstUser + int((begin.Sum32()%all+i)%all)
			if !taken[uid] {
				free = account{uid: uid, gid: uid, isOther: true}
				return save(filepath.Join(own, userFile), uid)
			}
		}
		return fmt.Errorf("a node has each of the %d users that there are for nodes: remove a lab that is no longer needed", all)
	})
	return free, err
}

// takenUsers returns the users of the nodes in the engine's folder, and those that have a process: a removed node may have
// left one that hides, and it must not read the next node's files.
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

// namesIn returns the names of the folders in a folder, and none if it does not exist, as that of a run being removed.
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

// parse returns the account for a Node's User. It returns the zero account if User is empty and the node is to have a user
// of its own.
func (a nodeUsers) parse(user string) (account, error) {
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
	if !a.separate && (uid != a.caller.uid || gid != a.caller.gid) {
		return account{}, fmt.Errorf("only root can run a node as user %s: leave the user out, and the node runs as you", user)
	}
	return account{uid: uid, gid: gid, isOther: a.separate}, nil
}

// credential returns nil for the caller's own account. It has no supplementary groups.
func (a account) credential() *syscall.Credential {
	if !a.isOther {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}
