package probe

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Effect is the class of a request: what it does to the cluster whose guards let it in. The zero Effect is the most careful
// one, Changes: nobody has said anything better of the request.
type Effect struct {
	class class
	// on are the versions of Nomad for which it was verified that the request has no effect.
	on []string
}

// class is how careful one has to be, the most careful first.
type class int

const (
	changes class = iota
	withoutEffect
	reads
)

// Reads is the class of a request that changes nothing on any version of Nomad.
func Reads() Effect { return Effect{class: reads} }

// Changes is the class of a request that changes something where it is let in, or of which nobody has verified that it does
// not: it writes, it has a credential made, or it takes what others need.
func Changes() Effect { return Effect{} }

// WithoutEffectOn is the class of a request of which it was verified, for these very versions, that it changes nothing, though
// it is let in: it contradicts itself, or asks for what there is not. Other versions may carry it out. A version is written as
// a server's build tag has it: 1.11.3 is neither 1.11.3+ent nor 1.11.3-dev. No version: Changes.
func WithoutEffectOn(versions ...string) Effect {
	if len(versions) == 0 {
		return Changes()
	}
	return Effect{class: withoutEffect, on: slices.Clone(versions)}
}

// And is the class of a probe that sends both requests: the more careful of the two.
func (e Effect) And(other Effect) Effect {
	switch {
	case e.class < other.class:
		return e
	case e.class > other.class:
		return other
	case e.class != withoutEffect:
		return e
	default:
		return WithoutEffectOn(slices.DeleteFunc(slices.Clone(e.on), func(v string) bool { return !slices.Contains(other.on, v) })...)
	}
}

// IsRead reports whether the class is Reads.
func (e Effect) IsRead() bool { return e.class == reads }

// IsChange reports whether the class is Changes.
func (e Effect) IsChange() bool { return e.class == changes }

// String names the class, with the versions that it depends on.
func (e Effect) String() string {
	switch e.class {
	case reads:
		return "reads"
	case withoutEffect:
		return "refused without effect on Nomad " + strings.Join(e.on, ", ")
	default:
		return "changes"
	}
}

// Bounds are what may be sent to a cluster that this program did not start. The zero Bounds let reads through alone.
type Bounds struct {
	// Versions are those that a request may come to: the build tags of all servers, as any of them may be handed it, and a
	// client's own. Empty means that they are not known.
	Versions []string
	// Unread says why a version could not be read; empty where all were.
	Unread string
}

// Forbids says why no request of that class may be sent; empty for one that may.
func (b Bounds) Forbids(e Effect) string {
	switch {
	case e.IsRead():
		return ""
	case e.IsChange():
		return "its request changes something, or takes what others need: such a one is sent to no cluster that nomadlab did not start"
	case b.Unread != "":
		return "its request would be sent to servers of which not every version could be read, and on another version it may change something: " + b.Unread
	case len(b.Versions) == 0:
		return "its request would be sent to a version of Nomad that is not known, and may change something there"
	}
	unverified := slices.DeleteFunc(slices.Clone(b.Versions), func(v string) bool { return slices.Contains(e.on, v) })
	if len(unverified) == 0 {
		return ""
	}
	slices.Sort(unverified)
	return fmt.Sprintf("its request would be sent to Nomad %s, for which this request is not verified to be refused without effect",
		strings.Join(slices.Compact(unverified), " and "))
}

// forbids says why no request of that class may be sent to the target; empty for one that may.
func (t Target) forbids(e Effect) string {
	if t.Bounds == nil {
		return ""
	}
	return t.Bounds.Forbids(e)
}

// withholds says why that caller's token may not be sent to the target; empty where it may, or there is none.
func (t Target) withholds(as Caller) string {
	if as.token == "" {
		return ""
	}
	return t.NoToken
}

// readPaths are the paths, as path.Match has them, of which a GET changes nothing. What is not among them is not taken for a
// read: /v1/operator/snapshot has Raft write a snapshot, and /v1/client/gc removes what has ended.
func readPaths() []string {
	return []string{
		"/v1/agent/health", "/v1/agent/self", "/v1/agent/members", "/v1/agent/servers", "/v1/agent/keyring/list", "/v1/agent/pprof/cmdline",
		"/v1/status/leader", "/v1/status/peers", "/v1/regions", "/v1/metrics", "/debug/pprof/",
		"/v1/acl/tokens", "/v1/acl/token/self", "/v1/acl/policies", "/v1/acl/policy/*",
		"/v1/jobs", "/v1/job/*", "/v1/job/*/scale", "/v1/namespace/*", "/v1/scaling/policies", "/v1/scaling/policy/*",
		"/v1/nodes", "/v1/node/pool/*",
		"/v1/operator/autopilot/configuration", "/v1/operator/keyring/keys",
		"/v1/var/*", "/v1/var/nomad/jobs/*",
		"/v1/volumes", "/v1/volumes/claims", "/v1/volume/csi/*", "/v1/plugins", "/v1/plugin/csi/*",
		"/v1/client/stats", "/v1/client/fs/logs/*", "/v1/client/fs/ls/*", "/v1/client/allocation/*/stats",
	}
}

// isReadPath reports whether a GET of the path, which may have a query, is known to change nothing.
func isReadPath(asked string) bool {
	bare, _, _ := strings.Cut(asked, "?")
	return slices.ContainsFunc(readPaths(), func(pattern string) bool {
		matched, err := path.Match(pattern, bare)
		return err == nil && matched
	})
}

// readMethods are the RPC methods that change nothing, whatever their arguments.
func readMethods() []string {
	return []string{
		leaderMethod, "Status.Peers", "Status.RaftStats", "Status.Members", "Node.List", "Job.List",
		"Operator.RaftGetConfiguration", "Operator.AutopilotGetConfiguration", "Keyring.Get", "Agent.Monitor",
	}
}
