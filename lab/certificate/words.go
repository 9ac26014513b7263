package certificate

import (
	"fmt"
	"slices"
	"strings"
)

// Title says whom the certificate is for: "server of region global", "an authority", or "no role of Nomad".
func (c Certificate) Title() string {
	switch {
	case len(c.Roles) > 0:
		var words []string
		for _, r := range c.Roles {
			words = append(words, r.String())
		}
		return strings.Join(words, " and ")
	case c.Kind == Authority && c.Chain.State == Root:
		return "authority, a root"
	case c.Kind == Authority:
		return "authority, an intermediate one"
	default:
		return "no role of Nomad"
	}
}

// title is Title with the subject of an authority, or of a holder without a role.
func (c Certificate) title() string {
	if len(c.Roles) > 0 {
		return c.Title()
	}
	return c.Title() + " (" + ShortName(c.Subject) + ")"
}

// ShortName returns the common name of a distinguished name, such as "CN=Nomad Agent CA"; the whole name if it has none.
func ShortName(name string) string {
	for rest := name; rest != ""; {
		end := 0
		for end < len(rest) && rest[end] != ',' && rest[end] != '+' {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end, len(rest))
		if strings.HasPrefix(rest, "CN=") {
			return rest[:end]
		}
		rest = rest[min(end+1, len(rest)):]
	}
	return name
}

// shortNames is ShortName for several names.
func shortNames(names []string) []string {
	var all []string
	for _, n := range names {
		all = append(all, ShortName(n))
	}
	return all
}

// IssuerText returns the issuer and the chain in words.
func (c Certificate) IssuerText() string {
	switch {
	case c.Chain.State == Root:
		return c.Chain.Text()
	case c.Chain.State == Complete && len(c.Chain.Through) == 0 && c.Chain.To == c.Issuer:
		return ShortName(c.Issuer) + ", which is trusted"
	default:
		return ShortName(c.Issuer) + "; " + c.Chain.Text()
	}
}

// allNames returns all names and addresses, each once. The common name is left out where it is among the DNS names.
func (c Certificate) allNames() []string {
	names := append(append([]string{}, c.DNSNames...), c.IPAddresses...)
	if c.CommonName != "" && !slices.Contains(c.DNSNames, c.CommonName) {
		names = append([]string{c.CommonName + " (the common name)"}, names...)
	}
	return names
}

// NamesText returns the names and addresses in words.
func (c Certificate) NamesText() string { return orElse(c.allNames(), "none") }

// String returns the opening in words: "Raft of region global".
func (o Opening) String() string {
	switch {
	case o.Endpoint == HTTPS:
		return "HTTPS"
	case o.Region == "":
		return string(o.Endpoint) + " of every region"
	default:
		return string(o.Endpoint) + " of " + o.Region
	}
}

func openingTexts(open []Opening) []string {
	var all []string
	for _, o := range open {
		all = append(all, o.String())
	}
	return all
}

// OpensText returns in words what the certificate opens, and at whose agents.
func (c Certificate) OpensText() string {
	text := c.opensText()
	if c.Kind == Holder && len(c.Opens) > 0 && c.Chain.State == TrustUnknown {
		text += ", at agents that trust its issuer"
	}
	return text
}

func (c Certificate) opensText() string {
	switch {
	case c.Kind == Authority:
		return "nothing by itself; what it signs can open everything"
	case len(c.Opens) == 0:
		return "nothing"
	default:
		return strings.Join(openingTexts(c.Opens), ", ")
	}
}

// Text returns the chain in words.
func (c Chain) Text() string {
	through := ""
	if len(c.Through) > 0 {
		through = "through " + strings.Join(shortNames(c.Through), ", ") + ", "
	}
	switch {
	case c.State == Root:
		return "it signed itself, as a root does"
	case c.State == Complete:
		return through + "complete up to " + ShortName(c.To)
	case c.State == Incomplete && c.Missing != "":
		return through + "the certificate of " + ShortName(c.Missing) + " is missing"
	case c.State == Incomplete:
		return through + "leads to no trusted authority"
	case c.Missing != "":
		return through + "up to " + ShortName(c.Missing) + ", whose certificate was not read"
	default:
		return through + "complete, and it is not known who trusts it"
	}
}

// PurposeText returns in words what the certificate is for, and whether it may sign.
func (c Certificate) PurposeText() string {
	text := orElse(c.Purposes, "every purpose")
	if c.Kind == Authority {
		text = "signing"
		if len(c.Permits) > 0 {
			text += fmt.Sprintf(" names below %s", strings.Join(c.Permits, ", "))
		}
		return text
	}
	if c.MaySign {
		return text + "; may sign others"
	}
	return text + "; may not sign others"
}

func orElse(values []string, empty string) string {
	if len(values) == 0 {
		return empty
	}
	return strings.Join(values, ", ")
}
