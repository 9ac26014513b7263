package probe

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Effect is the class of a request: what it does to a cluster that accepts it. The zero Effect is Changes, the most careful
// one.
type Effect struct {
	class class
	// on are the versions of Nomad for which the request was verified to have no effect.
	on []string
}

// class orders the effects, the most careful first.
type class int

const (
	changes class = iota
	withoutEffect
	reads
)

// Reads returns the class of a request that changes nothing on any version of Nomad.
func Reads() Effect { return Effect{class: reads} }

// Changes returns the class of a request that changes something if it is accepted, or that was not verified to change
// nothing: it writes, creates a credential, or uses what others need.
func Changes() Effect { return Effect{} }

// WithoutEffectOn returns the class of a request that was verified to change nothing on these versions even if it is accepted:
// it contradicts itself, or asks for something that does not exist. Other versions may execute it. A version is written like a
// server's build tag: 1.11.3 is neither 1.11.3+ent nor 1.11.3-dev. No version: Changes.
func WithoutEffectOn(versions ...string) Effect {
	if len(versions) == 0 {
		return Changes()
	}
	return Effect{class: withoutEffect, on: slices.Clone(versions)}
}

// And returns the class of a probe that sends both requests: the more careful of the two.
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

// String returns the name of the class, with the versions that it depends on.
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

// Bounds limit what may be sent to a cluster that this program did not start. The zero Bounds allow only reads.
type Bounds struct {
	// Versions are those that a request may reach: the build tags of all servers, as it may be forwarded to any of them, and
	// the client's own. Empty: they are not known.
	Versions []string
	// Unread says why a version could not be read; empty if all were.
	Unread string
}

// Forbids returns the reason why no request of that class may be sent; empty if it may.
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

// forbids returns the reason why no request of that class may be sent to the target; empty if it may.
func (t Target) forbids(e Effect) string {
	if t.Bounds == nil {
		return ""
	}
	return t.Bounds.Forbids(e)
}

// withholds returns the reason why the target may not be sent the caller's token; empty if it may, or if there is no token.
func (t Target) withholds(as Caller) string {
	if as.token == "" {
		return ""
	}
	return t.NoToken
}

// readPaths returns the paths, as patterns of path.Match, whose GET changes nothing. A GET of any other path is no read:
// /v1/operator/snapshot makes Raft write a snapshot, and /v1/client/gc removes what has ended.
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

// readMethods returns the RPC methods that change nothing with any arguments.
func readMethods() []string {
	return []string{
		leaderMethod, "Status.Peers", "Status.RaftStats", "Status.Members", "Node.List", "Job.List",
		"Operator.RaftGetConfiguration", "Operator.AutopilotGetConfiguration", "Keyring.Get", "Agent.Monitor",
	}
}
