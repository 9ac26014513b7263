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

// drivers returns the checks of the task drivers that a client offers. Its servers are asked about it. Where none of
// the checked agents is a client, one server of each region is asked about all clients.
func (i Ingredients) drivers() []posture.Spec {
	s := posture.Spec{
		ID: "client-offers-no-raw-exec", Title: "a client runs no tasks without isolation, by the raw_exec driver",
		Kind: posture.Safe, Severity: posture.Critical, Roles: []pki.Role{pki.Client},
		Settings: []string{"plugin.raw_exec.config.enabled", `client.options."driver.raw_exec.enable"`},
		Why:      "a job may then run anything as the agent's user, and reads the agent's key (drivers/rawexec; verified against Nomad 1.11.3)",
		Want:     posture.Want{probe.Absent},
	}
	find := func(what string, in finder[[]listedClient]) maybeProbe {
		return i.privilegedCaller().orMissing(i.noServer()).sends(func(c probe.Caller) probe.Probe {
			return i.inNodes("this client as one "+what, c, func(t probe.Target) finder[[]listedClient] { return ofClient(t, in) })
		})
	}
	if i.NoClient {
		s.PerRegion, s.Roles = true, []pki.Role{pki.Server}
		find = func(what string, in finder[[]listedClient]) maybeProbe {
			return i.privilegedCaller().orMissing(i.noClient()).sends(func(c probe.Caller) probe.Probe {
				return probe.HTTPSearch(get("/v1/nodes"), c, probe.AnswerSearch{For: "a client " + what, In: fromJSON(in)})
			})
		}
	}
	p := find("that offers raw_exec", offeringRawExec)
	if !i.NoClient && p.missing == "" {
		p.probe = p.probe.OrElse(leavesOutRawExec(i.privilegedCaller().caller), func(o probe.Observation) bool { return o.Outcome == probe.Failed && !o.Unsettled })
	}
	return []posture.Spec{withProbes(s, p, find("that tells of its drivers", listingDrivers))}
}

// leavesOutRawExec asks a client itself, where no server knows about raw_exec: the client's own list may exclude the
// driver, so that Nomad does not look for it (client/pluginmanager/drivermanager/manager.go, isDriverBlocked;
// verified against Nomad 1.11.3).
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

// inList returns the members of the option, under the first of its names that is set (client/config/config.go,
// ReadStringListToMap).
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

// noClient returns why no client can offer anything, or "".
func (i Ingredients) noClient() string {
	return reasonIf(i.Clientless, "the servers list no client, so none can offer to run tasks")
}

// ofClient limits a finder to the entries of one client.
func ofClient(t probe.Target, search finder[[]listedClient]) finder[[]listedClient] {
	return func(nodes []listedClient) (bool, string, error) {
		own := slices.DeleteFunc(entriesOf(t, nodes), func(n listedClient) bool { return n.Status != ready })
		if len(own) == 0 {
			return false, "", fmt.Errorf("of %d clients this one is none that is %s", len(nodes), ready)
		}
		return search(own)
	}
}

// offeringRawExec finds clients whose raw_exec can be used. A client that does not report the driver at all proves
// nothing.
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

// listingDrivers finds clients that report their drivers, even if there is none.
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
