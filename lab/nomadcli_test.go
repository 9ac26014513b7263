package lab_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http/httpproxy"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
)

// TestTheTokenIsNotInAContainersConfiguration, which the daemon shows to all its users: it is in a file that only the
// agent's user may read. The control is the address, which is in the environment.
func TestTheTokenIsNotInAContainersConfiguration(t *testing.T) {
	e, _ := composedLab(t)
	l, err := lab.Open(t.Context(), contained{e}, "demo")
	if err != nil {
		t.Fatal(err)
	}
	task := lab.CLITask(l, "a-secret", lab.Call{Args: []string{"status"}})
	shown := strings.Join(slices.Concat(task.Environment, task.Command), " ")
	if strings.Contains(shown, "a-secret") || !strings.Contains(shown, "NOMAD_ADDR=") || task.Command[len(task.Command)-1] != "status" {
		t.Errorf("the daemon is told %s", shown)
	}
	if !slices.ContainsFunc(task.Files, func(f engine.File) bool { return string(f.Data) == "a-secret" && f.Mode == 0o600 }) {
		t.Error("no file has the token")
	}
}

// TestTheCLIOfAContainerUsesNoProxy, whatever proxy its image names: that would be shown the token, and does not reach the lab's
// network. The control is another server, to which the same environment leads through the proxy.
func TestTheCLIOfAContainerUsesNoProxy(t *testing.T) {
	e, _ := composedLab(t)
	l, err := lab.Open(t.Context(), contained{e}, "demo")
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]string{}
	for _, variable := range lab.CLITask(l, "a-secret", lab.Call{}).Environment {
		name, value, _ := strings.Cut(variable, "=")
		has[name] = value
	}
	const proxy = "http://proxy.example:3128"
	proxyFor := (&httpproxy.Config{HTTPProxy: proxy, HTTPSProxy: proxy, NoProxy: has["NO_PROXY"]}).ProxyFunc()
	for address, through := range map[string]bool{has["NOMAD_ADDR"]: false, "https://nomad.example:4646": true} {
		at, err := url.Parse(address)
		if err != nil || at.Port() == "" {
			t.Fatalf("the address is %q: %v", address, err)
		}
		if used, err := proxyFor(at); (used != nil) != through || err != nil {
			t.Errorf("%s is called through the proxy %v, %v, with NO_PROXY=%s", address, used, err, has["NO_PROXY"])
		}
	}
}

// contained is an engine of containers.
type contained struct{ *composedEngine }

func (contained) Site() engine.Site { return engine.Site{} }
