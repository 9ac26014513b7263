package inspect

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// knownAgent is an agent with what distinguishes it from others.
type knownAgent struct {
	given string
	at    []netip.AddrPort
	leaf  []byte
	agent probe.Target
	// identity is what the agent calls itself; "" if it was not asked or does not say.
	identity string
	asked    bool
}

// knownAgents are the agents that were contacted.
type knownAgents struct {
	all   []*knownAgent
	as    probe.Caller
	token string
}

// again returns the address at which the same agent was contacted before, perhaps by another name or at another address of its
// machine. If there is none it returns "", and remembers the agent. Two agents are the same if they have one address and port, or if
// they present one certificate, or none, and call themselves the same.
func (m *knownAgents) again(ctx context.Context, given string, agent probe.Target, shown []*x509.Certificate, answers bool) string {
	one := &knownAgent{given: given, at: addressesOf(ctx, given), agent: agent}
	if len(shown) > 0 {
		one.leaf = shown[0].Raw
	}
	for _, other := range m.all {
		if other.agent.HTTP == agent.HTTP || slices.ContainsFunc(one.at, func(at netip.AddrPort) bool { return slices.Contains(other.at, at) }) {
			return other.given
		}
		if answers && bytes.Equal(one.leaf, other.leaf) && m.says(ctx, one) != "" && m.says(ctx, one) == m.says(ctx, other) {
			return other.given
		}
	}
	m.all = append(m.all, one)
	return ""
}

// addressesOf returns the addresses to which a URL's host and port resolve; nil if they do not.
func addressesOf(ctx context.Context, given string) []netip.AddrPort {
	at, err := url.Parse(given)
	if err != nil {
		return nil
	}
	ctx, cancel := deadline.Fair(ctx, probe.DefaultTimeout)
	defer cancel()
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", at.Port())
	if err != nil {
		return nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", at.Hostname())
	if err != nil {
		return nil
	}
	var out []netip.AddrPort
	for _, ip := range ips {
		out = append(out, netip.AddrPortFrom(ip.Unmap(), uint16(port))) //nolint:gosec // a port has 16 bits
	}
	return out
}

// says returns what an agent calls itself: a client's node ID, or a server's name and address; "" if it does not say.
func (m *knownAgents) says(ctx context.Context, a *knownAgent) string {
	if a.asked {
		return a.identity
	}
	a.asked = true
	as := m.as.OrPlaintext()
	if m.token != "" && a.agent.NoToken == "" {
		as = as.WithToken(m.token, "a management token")
	}
	var self struct {
		Member struct {
			Name, Addr string
			Port       int
		} `json:"member"`
		Stats struct {
			Client map[string]string `json:"client"`
		} `json:"stats"`
	}
	agent := a.agent
	agent.HTTPPlaintext = agent.NoToken == withoutTLS
	probe.HTTPSearch(probe.Request{Path: accountPath}, as, probe.AnswerSearch{For: "who it is", In: func(_ http.Header, body []byte) (bool, string, error) {
		return true, "", json.Unmarshal(body, &self)
	}}).Observe(ctx, agent)
	switch {
	case agent.Role == pki.Client:
		a.identity = self.Stats.Client["node_id"]
	case self.Member.Name != "":
		a.identity = fmt.Sprintf("%s at %s:%d", self.Member.Name, self.Member.Addr, self.Member.Port)
	}
	return a.identity
}
