package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/pki"
)

// Validate returns an *InvalidError that names every problem, or nil.
func (s Spec) Validate() error {
	s = s.WithDefaults()
	v := &validator{}
	v.label("name", s.Name)
	v.nomad(s.Nomad)
	v.logLevel(s.LogLevel)
	v.authority(s)
	v.certificates(s)
	if !slices.Contains([]int{16, 24, 32}, s.GossipKeyBytes) {
		v.add("gossip_key_bytes", fmt.Sprint(s.GossipKeyBytes), "use 16, 24 or 32: Nomad refuses other lengths")
	}
	if s.NotBootstrapped && !s.Hardened {
		v.add("not_bootstrapped", "set for a lab without ACLs", "set hardened too, or leave it out")
	}
	v.overrides(s.Overrides, s.Configuration != nil)
	v.ports(s)
	if v.regions(s.Regions, len(s.ExtraNodes)) {
		v.extraNodes(s)
		v.nodes(s)
	}
	if len(v.problems) > 0 {
		return &InvalidError{Problems: v.problems}
	}
	return nil
}

// Warnings returns what is valid but probably not wanted, a line each.
func (s Spec) Warnings() []string {
	var out []string
	for i, r := range s.WithDefaults().Regions {
		if n := *r.Servers; n > 0 && n%2 == 0 {
			out = append(out, fmt.Sprintf("regions[%d].servers is %d: an even number of servers survives no more failures than %d do", i, n, n-1))
		}
	}
	if s.Hardened && s.NotBootstrapped {
		out = append(out, "this lab's ACL system is not bootstrapped: the first caller with a certificate can get the management token; its clients are not introduced and do not join")
	}
	if len(s.Overrides) > 0 {
		out = append(out, "this lab has overrides: "+OverridesText(s.Overrides))
	}
	if s.Certificates.Altered() {
		out = append(out, "this lab's certificates differ from those of a default lab: "+s.Certificates.defectText())
	}
	return out
}

// CheckName returns an *InvalidError for a string that cannot be a lab's name, such as "*" or "../x", so that it does not
// reach the file system.
func CheckName(name string) error {
	v := &validator{}
	v.label("name", name)
	if len(v.problems) > 0 {
		return &InvalidError{Problems: v.problems}
	}
	return nil
}

// dnsLabel is a label of RFC 1123 in lower case: names of labs and nodes become container names and host names.
var dnsLabel = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// maxName leaves room for "nomadlab-" and a node's name beside a lab's name in a host name of 63 characters.
const maxName = 32

// MaxNodes is how many nodes a lab has at most: the lower half of the largest subnet of a lab has room for them.
const MaxNodes = 500

type validator struct{ problems []Problem }

func (v *validator) add(field, found, mend string) {
	v.problems = append(v.problems, Problem{Field: field, Found: found, Mend: mend})
}

func (v *validator) label(field, value string) {
	if !dnsLabel.MatchString(value) || len(value) > maxName {
		v.add(field, fmt.Sprintf("%q", value),
			fmt.Sprintf("use a DNS label of at most %d characters: lower-case letters, digits and hyphens, such as demo-1", maxName))
	}
}

// regionName accepts what Nomad accepts, as far as a certificate can contain it. If there are several regions, their
// names are part of container names.
func (v *validator) regionName(field, name string, several bool) {
	if several {
		v.label(field, name)
		return
	}
	if err := (pki.Identity{Role: pki.Server, Region: name}).Validate(); err != nil {
		v.add(field, fmt.Sprintf("%q", name), "this is a limit of nomadlab, not of Nomad: the region is part of the names in certificates (server.REGION.nomad); "+
			"use at most 63 letters, digits, hyphens and underscores")
	}
}

// datacenter accepts what Nomad accepts (command/agent/command.go, IsValidConfig) and a terminal shows.
func (v *validator) datacenter(field, name string) {
	if name == "" || strings.Contains(name, "*") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		v.add(field, fmt.Sprintf("%q", name), "use any name without a '*' and without control characters")
	}
}

func (v *validator) logLevel(level string) {
	if known := []string{"", "TRACE", "DEBUG", "INFO", "WARN", "ERROR"}; !slices.Contains(known, strings.ToUpper(level)) {
		v.add("log_level", fmt.Sprintf("%q", level), "use one of "+strings.Join(known[1:], ", "))
	}
}

// Bounds of a certificate's life: X.509 counts in seconds, and the authority's own certificate lasts 30 days.
const (
	shortestTTL = time.Second
	longestTTL  = 30 * 24 * time.Hour
)

func (v *validator) certificates(s Spec) {
	c := s.Certificates
	if shortest, longest := s.Authority.ttlBounds(); c.TTL != 0 && (c.TTL < shortest || c.TTL > longest) {
		v.add("certificates.ttl", c.TTL.String(), fmt.Sprintf("use a duration from %s to %d h, such as 24h", shortest, int(longest.Hours())))
	}
	v.dnsNames("certificates.dns_names", c.DNSNames)
	v.alteredCertificates(c)
}

// regions checks the regions. It reports whether the lab has no more than MaxNodes nodes, so that its nodes can be
// checked one by one.
func (v *validator) regions(regions []Region, extraNodes int) bool {
	seen, nodes := map[string]bool{}, extraNodes
	for i, r := range regions {
		at := fmt.Sprintf("regions[%d].", i)
		v.regionName(at+"name", r.Name, len(regions) > 1)
		v.datacenter(at+"datacenter", r.Datacenter)
		if seen[r.Name] {
			v.add(at+"name", fmt.Sprintf("%q, for the second time", r.Name), "give each region a name of its own")
		}
		seen[r.Name] = true
		if *r.Servers < 1 {
			v.add(at+"servers", fmt.Sprint(*r.Servers), "use an odd number, such as 3: a region needs servers to elect a leader")
		}
		if *r.Clients < 0 {
			v.add(at+"clients", fmt.Sprint(*r.Clients), "use 0 or more")
		}
		nodes += max(*r.Servers, 0) + max(*r.Clients, 0)
	}
	if nodes > MaxNodes {
		v.add("regions", fmt.Sprintf("%d nodes in all", nodes), fmt.Sprintf("use at most %d", MaxNodes))
	}
	return nodes <= MaxNodes
}

func (v *validator) extraNodes(s Spec) {
	seen := map[string]bool{}
	for _, r := range s.Regions {
		for _, m := range s.MembersOf(r) {
			seen[m.Name] = true
		}
	}
	for i, j := range s.ExtraNodes {
		at := fmt.Sprintf("extra_nodes[%d].", i)
		v.label(at+"name", j.Name)
		if seen[j.Name] {
			v.add(at+"name", fmt.Sprintf("%q, which another node has", j.Name), "give each node a name of its own")
		}
		seen[j.Name] = true
		if j.Role != pki.Server && j.Role != pki.Client {
			v.add(at+"role", fmt.Sprintf("%q", j.Role), "use server or client")
		}
		if j.CertificateRole != pki.Server && j.CertificateRole != pki.Client && j.CertificateRole != pki.CLI {
			v.add(at+"certificate_role", fmt.Sprintf("%q", j.CertificateRole), "use server, client or cli")
		}
		v.regionName(at+"certificate_region", j.CertificateRegion, false)
		v.domainOfExtra(at+"certificate_domain", s, j)
		if !slices.ContainsFunc(s.Regions, func(r Region) bool { return r.Name == j.Region }) {
			v.add(at+"region", fmt.Sprintf("%q", j.Region), "name a region of this lab")
		}
		v.defect(at+"defect", j.Defect)
		if j.Gossip != LabKey && j.Gossip != NoKey && j.Gossip != OtherKey {
			v.add(at+"gossip", fmt.Sprintf("%q", j.Gossip), "use none, other, or leave it out for the lab's key")
		}
		v.introduction(at+"introduction", s, j)
		v.advertisedPort(at+"advertised_rpc_port", j)
	}
}

func (v *validator) advertisedPort(field string, j ExtraNode) {
	switch {
	case j.AdvertisedRPCPort == 0:
	case j.Role != pki.Server:
		v.add(field, fmt.Sprint(j.AdvertisedRPCPort), "leave it out: only servers are connected to by their peers")
	case j.AdvertisedRPCPort == HTTPPort || j.AdvertisedRPCPort == SerfPort:
		v.add(field, fmt.Sprint(j.AdvertisedRPCPort), "use another port: the server itself listens there, for something else")
	}
}

func (v *validator) introduction(field string, s Spec, j ExtraNode) {
	switch {
	case j.Introduction == Introduced:
	case j.Introduction != NotIntroduced && j.Introduction != OtherIntroduction:
		v.add(field, fmt.Sprintf("%q", j.Introduction), "use none, other, or leave it out for a token of its own")
	case j.Role != pki.Client || !s.Hardened || s.NotBootstrapped:
		v.add(field, fmt.Sprintf("%q", j.Introduction), "leave it out: only clients of a hardened lab that is bootstrapped are introduced")
	}
}

// nodes refuses names of nodes that the lab does not have, or that are of another role: without an error the user would
// get a lab that lacks the wanted change. It also refuses two defects of one certificate.
func (v *validator) nodes(s Spec) {
	roles := s.roles()
	c := s.Certificates
	for i, o := range s.Overrides {
		v.node(fmt.Sprintf("overrides[%d].node", i), o.Node, o.Role, roles)
	}
	for i, o := range c.Defects {
		at := fmt.Sprintf("certificates.defects[%d].", i)
		v.node(at+"node", o.Node, o.Role, roles)
		if slices.ContainsFunc(c.Defects[:i], func(before CertificateDefect) bool { return o.overlaps(before, roles) }) {
			v.add(at+"role", fmt.Sprintf("%q, for the second time", o.Role), "put one thing wrong with a certificate, so that what follows has one cause")
		}
	}
	v.chains(s, roles)
	v.nomadNodes(s.Nomad.Nodes, roles)
	for i, o := range c.Names {
		v.node(fmt.Sprintf("certificates.names[%d].node", i), o.Node, o.Role, roles)
	}
	for i, o := range c.Roles {
		v.node(fmt.Sprintf("certificates.roles[%d].node", i), o.Node, o.Role, roles)
	}
	for i, o := range c.TrustForeign {
		v.node(fmt.Sprintf("certificates.trust_foreign[%d].node", i), o.Node, o.Role, roles)
	}
}

// roles returns the roles of all nodes of the lab, by name.
func (s Spec) roles() map[string]pki.Role {
	roles := map[string]pki.Role{}
	for _, r := range s.Regions {
		for _, m := range s.MembersOf(r) {
			roles[m.Name] = m.Role
		}
	}
	for _, j := range s.ExtraNodes {
		roles[j.Name] = j.Role
	}
	return roles
}

// node checks the name of a node, empty for none, in an entry for a role, empty for any.
func (v *validator) node(field, name string, role pki.Role, roles map[string]pki.Role) {
	if name == "" {
		return
	}
	is, there := roles[name]
	if !there || role != "" && role != is {
		var names []string
		for n, r := range roles {
			if role == "" || role == r {
				names = append(names, n)
			}
		}
		slices.Sort(names)
		v.add(field, fmt.Sprintf("%q", name), fmt.Sprintf("use one of %v, or leave it out for all", names))
	}
}
