package catalogue

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// drivers is what a client offers to run tasks with: its servers are asked about it. Where no client is among the agents that
// are checked, a server is asked about all clients that it lists, which is a question of the cluster.
func (i Ingredients) drivers() []posture.Spec {
	s := posture.Spec{
		ID: "client-offers-no-raw-exec", Title: "a client runs no tasks without isolation, by the raw_exec driver",
		Kind: posture.Safe, Severity: posture.Critical, Roles: []pki.Role{pki.Client},
		Settings: []string{"plugin.raw_exec.config.enabled", `client.options."driver.raw_exec.enable"`},
		Why:      "whoever may submit a job then runs anything as the agent's user, and reads the agent's key (drivers/rawexec; verified against Nomad 1.11.3)",
		Want:     posture.Want{probe.Absent},
	}
	const offers, tells = "that offers raw_exec", "that tells of its drivers"
	if i.NoClient {
		s.PerRegion, s.Roles = true, []pki.Role{pki.Server}
		search := func(what string, in func([]listedClient) (bool, string, error)) maybeProbe {
			return i.privilegedCaller().orMissing(i.noClient()).sends(func(c probe.Caller) probe.Probe {
				return probe.HTTPSearch(get("/v1/nodes"), c, probe.AnswerSearch{For: "a client " + what, In: fromJSON(in)})
			})
		}
		return []posture.Spec{withProbes(s, search(offers, offeringRawExec), search(tells, listingDrivers))}
	}
	search := func(what string, in func([]listedClient) (bool, string, error)) maybeProbe {
		return i.privilegedCaller().orMissing(i.noServer()).sends(func(c probe.Caller) probe.Probe {
			return i.inNodes("this client as one "+what, c, func(t probe.Target) func([]listedClient) (bool, string, error) { return ofClient(t, in) })
		})
	}
	try := search(offers, offeringRawExec)
	if try.missing == "" {
		try.probe = try.probe.Else(leavesOutRawExec(i.privilegedCaller().caller), func(o probe.Observation) bool { return o.Outcome == probe.Failed && !o.Unsettled })
	}
	return []posture.Spec{withProbes(s, try, search(tells, listingDrivers))}
}

// leavesOutRawExec asks a client of which servers have no word about raw_exec: its own lists may leave the driver out, so that it is
// not even looked for (client/pluginmanager/drivermanager/manager.go, isDriverBlocked; verified against Nomad 1.11.3).
func leavesOutRawExec(as probe.Caller) probe.Probe {
	return probe.HTTPSearch(get(selfPath), as, probe.AnswerSearch{For: "raw_exec among the drivers that its lists leave", In: fromJSON(func(self struct {
		Config struct {
			Client struct{ Options map[string]string }
		} `json:"config"`
	}) (bool, string, error) {
		options := self.Config.Client.Options
		if allowed := inList(options, "driver.allowlist", "driver.whitelist"); len(allowed) > 0 && !slices.Contains(allowed, "raw_exec") {
			return false, "its list of allowed drivers leaves raw_exec out", nil
		}
		if slices.Contains(inList(options, "driver.denylist", "driver.blacklist"), "raw_exec") {
			return false, "its list of denied drivers has raw_exec", nil
		}
		return false, "", errors.New("no server tells whether it offers raw_exec, and no list of its own leaves that out")
	})})
}

// inList are the members of the option, under the first of its names that is set (client/config/config.go, ReadStringListToMap).
func inList(options map[string]string, names ...string) []string {
	for _, name := range names {
		if list, set := options[name]; set {
			if list == "" {
				return nil
			}
			all := strings.Split(list, ",")
			for at := range all {
				all[at] = strings.TrimSpace(all[at])
			}
			return all
		}
	}
	return nil
}

// lacksAnyClient says that the cluster has no client; empty where it has one, or where that is not known.
func (i Ingredients) noClient() string {
	if i.Clientless {
		return "the servers list no client, so none can offer to run tasks"
	}
	return ""
}

// ofClient looks at what a server lists of the client alone.
func ofClient(t probe.Target, search func([]listedClient) (bool, string, error)) func([]listedClient) (bool, string, error) {
	return func(nodes []listedClient) (bool, string, error) {
		own := slices.DeleteFunc(entriesOf(t, nodes), func(n listedClient) bool { return n.Status != ready })
		if len(own) == 0 {
			return false, "", fmt.Errorf("of %d clients this one is none that is %s", len(nodes), ready)
		}
		return search(own)
	}
}

// offeringRawExec looks for clients whose raw_exec can be used. Each client has to tell of that driver, be it off.
func offeringRawExec(nodes []listedClient) (bool, string, error) {
	var names, mute []string
	for _, n := range nodes {
		switch detected := n.Drivers["raw_exec"].Detected; {
		case !detected.present:
			mute = append(mute, n.Name)
		case detected.value:
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 && len(mute) > 0 {
		return false, "", fmt.Errorf("of %d clients these do not tell whether they offer raw_exec: %s; asked itself, a client tells whether its lists of drivers leave it out", len(nodes), strings.Join(mute, ", "))
	}
	return len(names) > 0, fmt.Sprintf("%d clients, of which offer it: %s", len(nodes), orNone(names)), nil
}

// tellingDrivers looks for clients that tell of their drivers, be it that they have none.
func listingDrivers(nodes []listedClient) (bool, string, error) {
	told := slices.ContainsFunc(nodes, func(n listedClient) bool { return n.Drivers != nil })
	return told, fmt.Sprintf("%d clients", len(nodes)), nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
