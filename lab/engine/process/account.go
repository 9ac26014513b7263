package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"nomadlab.internal/lab/engine"
)

// agentsUser is whom agents run as where the caller is root: as root, a client would make control groups and mounts on
// this machine, and its raw_exec tasks would be root here. No account has this number: systemd's table of users has
// 60578-61183 as unused (UIDS-GIDS), above the accounts of people (UID_MAX in login.defs) and below the dynamic users of
// services. It is not higher, because a user namespace usually maps 65536 users. nobody is somebody: other services use it.
const agentsUser = 60646

// account is a user of this machine.
type account struct {
	uid, gid int
	// other is true where that is not the caller itself.
	other bool
}

// agentsOf is the account that agents of that caller run as.
func agentsOf(euid int) (account, error) {
	if euid != 0 {
		return account{uid: euid, gid: os.Getegid()}, nil
	}
	if missing := missingPowers(); len(missing) > 0 {
		return account{}, fmt.Errorf("%w: agents do not run as root, and this root lacks what it takes to run them as another user (%s): start as an ordinary user instead, or use Docker",
			engine.ErrUnavailable, strings.Join(missing, ", "))
	}
	return account{uid: agentsUser, gid: agentsUser, other: true}, nil
}

// of is the account that a Node's User asks for.
func (a account) of(user string) (account, error) {
	if user == "" {
		return a, nil
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
	if !a.other && (uid != a.uid || gid != a.gid) {
		return account{}, fmt.Errorf("only root can run a node as user %s: leave the user out, and the node runs as you", user)
	}
	return account{uid: uid, gid: gid, other: a.other}, nil
}

// credential is nil where the caller's own will do. It has no supplementary groups.
func (a account) credential() *syscall.Credential {
	if !a.other {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}
