package catalogue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// Paths of policies. With ?stale a server answers from its own state. Every caller may read the anonymous policy; the
// other policies are for their holders and operators (nomad/acl_endpoint.go:182, ListPolicies, and :253, GetPolicy).
const (
	anonymousPath = "/v1/acl/policy/anonymous?" + stale
	policiesPath  = "/v1/acl/policies?" + stale
)

// rules are the rules of a policy, as Nomad has parsed them and expanded levels into capabilities
// (nomad/acl_endpoint.go:298, RulesJSON; acl/policy.go, expandNamespacePolicy).
type rules struct {
	Namespaces []struct {
		Name         string
		Capabilities []string
		Variables    *struct{ Paths []pathRule }
	}
	NodePools, HostVolumes []struct {
		Name         string
		Capabilities []string
	}
	Agent, Node, Quota, Plugin, Sentinel *struct{ Policy string }
	Operator                             *struct {
		Policy       string
		Capabilities []string
	}
}

// pathRule is a rule for variables.
type pathRule struct {
	PathSpec     string
	Capabilities []string
}

// grant is one thing that a policy grants, and where.
type grant struct {
	// block is the rule's block: namespace, variables, node_pool, host_volume, agent, node, quota, plugin, operator.
	block string
	// place is the namespace, pool or volume, which may be a pattern; path is that of variables.
	place, path string
	// may is the capability or the level.
	may string
}

func (g grant) String() string {
	where := g.block
	if g.place != "" {
		where += fmt.Sprintf(" %q", g.place)
	}
	if g.path != "" {
		where += fmt.Sprintf(" at %q", g.path)
	}
	return g.may + " for " + where
}

// grants returns what the rules grant, in their order. A rule that denies at a place overrides all grants there
// (acl/acl.go, NewACL).
func (r rules) grants() []grant {
	var all []grant
	denied := map[grant]bool{}
	add := func(g grant, capabilities ...string) {
		if slices.Contains(capabilities, "deny") {
			denied[g] = true
			return
		}
		for _, c := range capabilities {
			if g.may = c; c != "" {
				all = append(all, g)
			}
		}
	}
	for _, n := range r.Namespaces {
		add(grant{block: "namespace", place: n.Name}, n.Capabilities...)
		if n.Variables == nil {
			continue
		}
		for _, p := range n.Variables.Paths {
			add(grant{block: "variables", place: n.Name, path: p.PathSpec}, p.Capabilities...)
		}
	}
	for _, p := range r.NodePools {
		add(grant{block: "node_pool", place: p.Name}, p.Capabilities...)
	}
	for _, v := range r.HostVolumes {
		add(grant{block: "host_volume", place: v.Name}, v.Capabilities...)
	}
	for _, l := range []struct {
		block string
		level *struct{ Policy string }
	}{{"agent", r.Agent}, {"node", r.Node}, {"quota", r.Quota}, {"plugin", r.Plugin}, {"sentinel", r.Sentinel}} {
		if l.level != nil {
			add(grant{block: l.block}, l.level.Policy)
		}
	}
	if o := r.Operator; o != nil {
		add(grant{block: "operator"}, append([]string{o.Policy}, o.Capabilities...)...)
	}
	return slices.DeleteFunc(all, func(g grant) bool {
		g.may = ""
		return denied[g]
	})
}

// ofVariables reports whether the grant is about variables, which hold secrets.
func (g grant) ofVariables() bool { return g.block == "variables" }

// readsAlone reports whether the grant permits reads alone, and not of what workloads write.
func (g grant) readsAlone() bool {
	return slices.Contains([]string{
		"read", "list", "list-jobs", "parse-job", "read-job", "read-job-scaling", "list-scaling-policies", "read-scaling-policy",
		"csi-list-volume", "csi-read-volume", "host-volume-read", "mount-readonly", "keyring-read",
		"license-read", "sentinel-read",
	}, g.may)
}

// changesNothing reports whether the grant permits reads alone, of whatever: what workloads write and what servers
// hold included.
func (g grant) changesNothing() bool {
	return g.readsAlone() || slices.Contains([]string{"read-logs", "read-fs", "snapshot-save"}, g.may)
}

// policies returns the checks of what ACL policies grant, by the text of the policies. The checks of rights try each
// right at one place only; a policy may grant it at another.
func (i Ingredients) policies() []posture.Spec {
	h := i.tokenlessCaller()
	if i.NoACL {
		h = h.orMissing("the cluster has no ACL system, so it has no policies")
	}
	anonymous := func(id, title, finds, why string, severity posture.Severity, controlServer string, bad func(grant) bool) posture.Spec {
		seeks := func(as probe.Caller) probe.Probe { return findAnonymousGrant(finds, as, bad) }
		return withProbes(posture.Spec{
			ID: "server-anonymous-policy-" + id, Title: "the anonymous policy " + title, Kind: posture.Safe, Severity: severity, Roles: []pki.Role{pki.Server},
			Settings: []string{aclEnabled}, Want: posture.Want{probe.Absent},
			Why: why + " (nomad/acl_endpoint.go:253; verified against Nomad 1.11.3)",
		}, h.sends(seeks), h.atControlServer(answeringBody("that tells of an anonymous policy which does", controlServer), getHealth, seeks))
	}
	return append([]posture.Spec{
		anonymous("changes-nothing", "changes nothing anywhere", "to change something", "every caller with a certificate may do what it grants, in every namespace that its patterns match",
			posture.Critical, `{"RulesJSON":{"Namespaces":[{"Name":"p*","Capabilities":["submit-job"]}]}}`,
			func(g grant) bool { return !g.ofVariables() && !g.changesNothing() }),
		anonymous("opens-no-variables", "opens variables nowhere", "of variables", "variables are where secrets are kept, those of a job at nomad/jobs and below",
			posture.Critical, `{"RulesJSON":{"Namespaces":[{"Name":"default","Variables":{"Paths":[{"PathSpec":"nomad/jobs/*","Capabilities":["read"]}]}}]}}`,
			grant.ofVariables),
		anonymous("reads-nothing", "reads nothing anywhere", "to read something", "jobs show what runs where, with addresses and arguments, to every caller with a certificate",
			posture.High, `{"RulesJSON":{"Namespaces":[{"Name":"p*","Capabilities":["read-job"]}]}}`,
			func(g grant) bool { return !g.ofVariables() && g.changesNothing() }),
	}, i.boundPolicies()...)
}

// findAnonymousGrant finds a bad grant of the anonymous policy. A grant that a read can confirm is confirmed by that
// read, without a token; of other grants the policy's text is taken.
func findAnonymousGrant(what string, as probe.Caller, bad func(grant) bool) probe.Probe {
	read := func(into *[]grant) probe.Probe {
		return probe.HTTPSearch(get(anonymousPath, "policy not found"), as, probe.AnswerSearch{
			For: "a grant " + what + " of the anonymous policy",
			In: inGrants(func(all []grant) (bool, string) {
				*into = slices.DeleteFunc(slices.Clone(all), func(g grant) bool { return !bad(g) })
				return len(*into) > 0, fmt.Sprintf("%d grants, %d of them such", len(all), len(*into))
			}),
		})
	}
	first := read(new([]grant))
	p := probe.New(first.Plane, first.Sentence, func(ctx context.Context, t probe.Target) probe.Observation {
		var told []grant
		switch o := read(&told).Observe(ctx, t); o.Outcome {
		case probe.Denied: // as where ACLs are off: then there is no policy to look at
			o.Outcome, o.Err = probe.Failed, "it tells of no policy: "+o.Received
			return o
		case probe.Found:
			return confirmGrants(ctx, t, as, told, o)
		default:
			return o
		}
	}).WithEffect(first.Effect()).OnlyFor(first.Inapplicable)
	p.Timeout = (1 + maxGrantsTried) * probe.DefaultTimeout
	return p
}

// confirmGrants returns the observation of the policy, with what came of confirming its grants.
func confirmGrants(ctx context.Context, t probe.Target, as probe.Caller, told []grant, o probe.Observation) probe.Observation {
	var words []string
	o.Outcome = probe.Absent
	for _, g := range told[:min(len(told), maxGrantsTried)] {
		word, is := g.confirm(ctx, t, as)
		if words = append(words, word); is {
			o.Outcome = probe.Found
		}
	}
	if more := len(told) - maxGrantsTried; more > 0 {
		o.Outcome, words = probe.Found, append(words, fmt.Sprintf("and %d more", more))
	}
	o.Received = strings.Join(words, "; ")
	return o
}

// maxGrantsTried limits how many grants are confirmed one by one.
const maxGrantsTried = 12

// confirm tries the grant where a read can, and returns whether it holds, in words.
func (g grant) confirm(ctx context.Context, t probe.Target, as probe.Caller) (word string, is bool) {
	place := url.QueryEscape(g.place)
	var ask probe.Request
	switch {
	case strings.Contains(g.place+g.path, "*"): // another rule may deny the one name at which it would be tried
		return g.String() + " (by its text)", true
	case g.block == "namespace" && g.may == "list-jobs":
		ask = get("/v1/jobs?namespace=" + place + "&" + stale)
	case g.block == "namespace" && g.may == "read-job":
		ask = get(job("")+"?namespace="+place+"&"+stale, "job not found")
	case g.block == "variables" && g.may == "read":
		path := (&url.URL{Path: g.path}).EscapedPath()
		ask = get("/v1/var/"+path+"?namespace="+place+"&"+stale, "variable not found")
	default:
		return g.String() + " (by its text)", true
	}
	switch o := probe.HTTPRequest(ask, as).Observe(ctx, t); o.Outcome {
	case probe.Denied:
		return fmt.Sprintf("%s (tried and denied)", g), false
	case probe.Accepted:
		return fmt.Sprintf("%s (tried and let in)", g), true
	default:
		return fmt.Sprintf("%s (by its text, as trying it gave %s)", g, cmp.Or(o.Err, o.Received, string(o.Outcome))), true
	}
}

// boundPolicy is a policy that is bound to a job's workloads.
type boundPolicy struct {
	Name   string
	JobACL *struct{ Namespace, JobID string }
}

// ownJob is the job that a policy is bound to; id is empty for all jobs of the namespace.
type ownJob struct{ namespace, id string }

// boundPolicies returns the checks of whether a policy that is bound to a job makes an intruder in its tasks an
// operator. Such a policy should be limited to the job's own namespace, and may read agents and servers.
func (i Ingredients) boundPolicies() []posture.Spec {
	h := i.privilegedCaller()
	if i.NoACL {
		h = h.orMissing("the cluster has no ACL system, so it has no policies")
	}
	spec := func(id, title string, severity posture.Severity, why string, bad func(grant, ownJob) bool) posture.Spec {
		return withProbes(posture.Spec{
			ID: "policies-of-jobs-" + id, Title: "no policy that is bound to a job " + title,
			Kind: posture.Safe, Severity: severity, PerRegion: true, Roles: []pki.Role{pki.Server}, Want: posture.Want{probe.Absent},
			Settings: []string{aclEnabled},
			Why:      why + " (nomad/auth/auth.go, ResolvePoliciesForClaims; verified against Nomad 1.11.3)",
		}, h.sends(func(as probe.Caller) probe.Probe { return findBoundPolicy(as, bad) }), h.sends(findManagementToken))
	}
	return []posture.Spec{
		spec("rule-no-others", "changes other namespaces, agents or servers, or reads the variables of their jobs", posture.Critical,
			"each task of the job holds an identity with these rights, and so does an intruder in it", grant.reachesBeyond),
		spec("change-no-nodes", "changes nodes", posture.Medium,
			"an intruder in a task drains nodes, and makes introduction tokens, with which others become clients; an autoscaler of clients needs it all the same",
			func(g grant, _ ownJob) bool { return g.block == "node" && !g.readsAlone() }),
		spec("rule-not-their-own", "lets it control its own namespace: register jobs, enter tasks, write variables of other jobs, or write to host volumes", posture.Medium,
			"an intruder in a task may do the same; a job that deploys others needs it all the same", grant.changesOwnNamespace),
		spec("look-into-no-others", "reads what tasks of other namespaces write: their logs and their files", posture.Medium,
			"an intruder in a task reads their output, configuration and data; a job that ships logs needs it all the same", grant.readsOutputOfOthers),
	}
}

// findManagementToken finds that the caller's token may read every policy. Another token lists its own policies
// alone.
func findManagementToken(as probe.Caller) probe.Probe {
	return probe.HTTPSearch(get("/v1/acl/token/self?"+stale), as, probe.AnswerSearch{
		For: "a token that sees every policy", In: fromJSON(func(token struct{ Type string }) (bool, string, error) {
			return token.Type == "management", "a token of type " + cmp.Or(token.Type, "(none)"), nil
		}),
	})
}

// reachesBeyond reports whether the grant reaches beyond the job's own namespace: it changes something there, other
// than the count of a job, which autoscalers set; or it reads the variables of jobs.
func (g grant) reachesBeyond(own ownJob) bool {
	switch g.block {
	case "namespace":
		return g.place != own.namespace && !g.changesNothing() && g.may != "scale-job" && g.may != "submit-recommendation"
	case "variables":
		return g.place != own.namespace && (!g.readsAlone() || g.may == "read" && g.ofJobs())
	case "agent", "operator", "node_pool", "quota", "sentinel":
		return !g.readsAlone()
	}
	return false
}

// changesOwnNamespace reports whether the grant changes anything but the job itself in its own namespace.
func (g grant) changesOwnNamespace(own ownJob) bool {
	switch g.block {
	case "namespace":
		return g.place == own.namespace && slices.Contains([]string{
			"submit-job", "register-job", "revert-job", "alloc-exec", "alloc-node-exec", "host-volume-create", "host-volume-register", "host-volume-write",
		}, g.may)
	case "variables":
		its := "nomad/jobs/" + own.id
		return g.place == own.namespace && !g.readsAlone() && g.ofJobs() && (own.id == "" || g.path != its && !strings.HasPrefix(g.path, its+"/"))
	case "host_volume":
		return !g.readsAlone()
	}
	return false
}

// readsOutputOfOthers reports whether the grant reads what workloads of other namespaces write.
func (g grant) readsOutputOfOthers(own ownJob) bool {
	return g.block == "namespace" && g.place != own.namespace && slices.Contains([]string{"read-logs", "read-fs"}, g.may)
}

// ofJobs reports whether the path matches variables that tasks read by default: at nomad/jobs and below.
func (g grant) ofJobs() bool {
	const jobs = "nomad/jobs"
	prefix, _, pattern := strings.Cut(g.path, "*")
	_, wider := strings.CutPrefix(jobs+"/", prefix)
	return strings.HasPrefix(prefix, jobs) || pattern && wider
}

// findBoundPolicy finds a policy that is bound to a job and has a bad grant.
func findBoundPolicy(as probe.Caller, bad func(g grant, own ownJob) bool) probe.Probe {
	list := func(into *[]boundPolicy) probe.Probe {
		return probe.HTTPSearch(get(policiesPath), as, probe.AnswerSearch{
			For: "policies that are bound to jobs", In: fromJSON(func(all []boundPolicy) (bool, string, error) {
				*into = slices.DeleteFunc(all, func(p boundPolicy) bool { return p.JobACL == nil })
				return len(*into) > 0, fmt.Sprintf("%d policies that are bound to jobs", len(*into)), nil
			}),
		})
	}
	first := list(new([]boundPolicy))
	p := probe.New(first.Plane, first.Sentence+", and read each", func(ctx context.Context, t probe.Target) probe.Observation {
		var bound []boundPolicy
		o := list(&bound).Observe(ctx, t)
		if o.Outcome != probe.Found {
			return o
		}
		if len(bound) > maxPoliciesRead {
			return inconclusive(o, fmt.Sprintf("there are %d policies that are bound to jobs, and %d are read at most", len(bound), maxPoliciesRead))
		}
		return readBound(ctx, t, as, bound, bad, o)
	}).WithEffect(first.Effect()).OnlyFor(first.Inapplicable)
	p.Timeout = 10 * probe.DefaultTimeout
	return p
}

// maxPoliciesRead limits how many policies are read. In a cluster with more, the result is inconclusive.
const maxPoliciesRead = 1000

// readBound reads the bound policies one by one, and returns the observation of the list with what was found.
func readBound(ctx context.Context, t probe.Target, as probe.Caller, bound []boundPolicy, bad func(grant, ownJob) bool, o probe.Observation) probe.Observation {
	var words []string
	for _, policy := range bound {
		one := policy.findGrant(as, bad).Observe(ctx, t)
		switch one.Outcome {
		case probe.Found:
			words = append(words, fmt.Sprintf("%s, of job %q in %q: %s", policy.Name, policy.JobACL.JobID, policy.JobACL.Namespace, one.Received))
		case probe.Absent:
		default:
			return one
		}
	}
	o.Received = strings.Join(words, "; ")
	if len(words) == 0 {
		o.Outcome, o.Received = probe.Absent, fmt.Sprintf("%d policies that are bound to jobs, none of which does", len(bound))
	}
	return o
}

// findGrant finds a bad grant of the policy.
func (p boundPolicy) findGrant(as probe.Caller, bad func(grant, ownJob) bool) probe.Probe {
	own := ownJob{cmp.Or(p.JobACL.Namespace, "default"), p.JobACL.JobID}
	return probe.HTTPSearch(get("/v1/acl/policy/"+url.PathEscape(p.Name)+"?"+stale), as, probe.AnswerSearch{
		For: "rights that are not for the job of " + own.namespace, In: inGrants(func(all []grant) (bool, string) {
			var words []string
			for _, g := range all {
				if bad(g, own) {
					words = append(words, g.String())
				}
			}
			return len(words) > 0, strings.Join(words, ", ")
		}),
	})
}

// inGrants returns the finder in the grants of a policy.
func inGrants(in func([]grant) (there bool, saw string)) func(http.Header, []byte) (bool, string, error) {
	return fromJSON(func(policy struct{ RulesJSON *rules }) (bool, string, error) {
		if policy.RulesJSON == nil {
			return false, "", errors.New("the policy is told without its rules")
		}
		there, saw := in(policy.RulesJSON.grants())
		return there, saw, nil
	})
}
