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

// acquaintance is an agent that was met, by what tells it from others.
type acquaintance struct {
	given string
	at    []netip.AddrPort
	leaf  []byte
	agent probe.Target
	// account is who it says that it is, once it was asked; empty: it does not say.
	account string
	asked   bool
}

// met are the agents that were met.
type met struct {
	all   []*acquaintance
	as    probe.Caller
	token string
}

// again returns the address by which the agent was met before, be it by another name or at another address of its machine;
// empty: it is a new one, and is remembered. Agents are told apart by address and port; where those differ and both show one
// certificate, or none, by what they say of themselves.
func (m *met) again(ctx context.Context, given string, agent probe.Target, shown []*x509.Certificate, answers bool) string {
	one := &acquaintance{given: given, at: addressesOf(ctx, given), agent: agent}
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

// addressesOf are where a URL's host and port lead, as far as that can be found out.
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

// says is who an agent says that it is: a client's node ID, or a server's name with its address. Empty: it does not say.
func (m *met) says(ctx context.Context, a *acquaintance) string {
	if a.asked {
		return a.account
	}
	a.asked = true
	as := m.as.OrInClear()
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
	agent.HTTPInClear = agent.NoToken == withoutTLS
	probe.HTTPSearch(probe.Ask{Path: accountPath}, as, probe.AnswerSearch{For: "who it is", In: func(_ http.Header, body []byte) (bool, string, error) {
		return true, "", json.Unmarshal(body, &self)
	}}).Observe(ctx, agent)
	switch {
	case agent.Role == pki.Client:
		a.account = self.Stats.Client["node_id"]
	case self.Member.Name != "":
		a.account = fmt.Sprintf("%s at %s:%d", self.Member.Name, self.Member.Addr, self.Member.Port)
	}
	return a.account
}
