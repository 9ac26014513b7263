package catalogue

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// drivers is what clients offer to run tasks with.
func (i Ingredients) drivers() []posture.Spec {
	look := func(l probe.AnswerLook) step {
		return i.reader().does(func(c probe.Caller) probe.Probe { return probe.HTTPLook(get("/v1/nodes"), c, l) })
	}
	return []posture.Spec{tried(posture.Spec{
		ID: "clients-offer-no-raw-exec", Title: "no client runs tasks without isolation, by the raw_exec driver",
		Kind: posture.Safe, Severity: posture.Critical, Once: true, Roles: []pki.Role{pki.Server},
		Settings: []string{"plugin.raw_exec.config.enabled"},
		Why:      "whoever may submit a job then runs anything as the agent's user, and reads the agent's key (drivers/rawexec; verified against Nomad 1.11.3)",
		Want:     posture.Want{probe.Absent},
	},
		look(probe.AnswerLook{For: "a client that offers raw_exec", In: offering("raw_exec")}),
		look(probe.AnswerLook{For: "a client that tells of its drivers", In: tellingDrivers}),
	)}
}

// node is a client in the list of nodes.
type node struct {
	Name    string
	Drivers map[string]struct{ Detected field[bool] }
}

// offering looks for clients whose driver of that name can be used. Each client has to tell of that driver, be it off.
func offering(driver string) func(http.Header, []byte) (bool, string, error) {
	return func(_ http.Header, body []byte) (bool, string, error) {
		var nodes []node
		if err := json.Unmarshal(body, &nodes); err != nil {
			return false, "", errors.New("the list of clients cannot be read")
		}
		var names, mute []string
		for _, n := range nodes {
			switch detected := n.Drivers[driver].Detected; {
			case !detected.told:
				mute = append(mute, n.Name)
			case detected.value:
				names = append(names, n.Name)
			}
		}
		slices.Sort(names)
		if len(names) == 0 && len(mute) > 0 {
			return false, "", fmt.Errorf("of %d clients these do not tell whether they offer %s: %s", len(nodes), driver, strings.Join(mute, ", "))
		}
		return len(names) > 0, fmt.Sprintf("%d clients, of which offer it: %s", len(nodes), orNone(names)), nil
	}
}

// tellingDrivers looks for clients that tell of any driver, be it off.
func tellingDrivers(_ http.Header, body []byte) (bool, string, error) {
	var nodes []node
	if err := json.Unmarshal(body, &nodes); err != nil {
		return false, "", errors.New("the list of clients cannot be read")
	}
	told := slices.ContainsFunc(nodes, func(n node) bool { return len(n.Drivers) > 0 })
	return told, fmt.Sprintf("%d clients", len(nodes)), nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
