package rehearsal

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/fit"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/rollout"
)

// Effect is how one changed line takes effect.
type Effect string

// The effects. Reload and Restart are those of a rollout.
const (
	Reload  Effect = Effect(rollout.Reload)
	Restart Effect = Effect(rollout.Restart)
	// Call is a call of Nomad's API: no agent is touched.
	Call Effect = "API call"
	// Replacement is a restart without the data that the agent had.
	Replacement Effect = "replacement"
	// Nothing is a line that changes nothing in a cluster that runs.
	Nothing Effect = "nothing"
	// NotRehearsed is a line that a lab cannot have as it is.
	NotRehearsed Effect = "not rehearsed"
)

// Line is one thing that differs between the two configurations, and how the change takes effect.
type Line struct {
	// Role is that of the agents whose configuration it is.
	Role pki.Role `json:"role"`
	// Setting is the path of the setting, or the file of a certificate, such as "content of tls.ca_file".
	Setting string `json:"setting"`
	// Was and Becomes are the values, with secrets redacted. Empty: not set.
	Was     string `json:"was,omitempty"`
	Becomes string `json:"becomes,omitempty"`
	// File and Number are where the new configuration sets it, or else the old one. Empty and 0: in no file.
	File   string `json:"file,omitempty"`
	Number int    `json:"line,omitempty"`
	Effect Effect `json:"effect"`
	// Why is why it takes effect in this way.
	Why string `json:"why"`
}

// Settings that a rehearsal treats by themselves.
const (
	encryptSetting  = "server.encrypt"
	expectSetting   = "server.bootstrap_expect"
	graceSetting    = "server.heartbeat_grace"
	dataSetting     = "data_dir"
	aclSetting      = "acl.enabled"
	rpcSetting      = "tls.rpc"
	hostnameSetting = "tls.verify_server_hostname"
	upgradeSetting  = "tls.rpc_upgrade_mode"
	noValue         = "(not set)"
)

// Sources of what is said of single settings.
const (
	whyExpect = "a cluster that has elected its first leader does not read it any more (nomad/serf.go:94)"
	whyKey    = "a server reads the key of its files only as long as its data_dir has no keyring; the keys of a running cluster change by " +
		"`nomad operator gossip keyring` (command/agent/agent.go, setupKeyrings)"
	whyKeyAdded  = "a server begins to encrypt, or stops, at its start alone; until all are done it does not hear the others"
	whyDataMoved = "the agent starts without state: a server joins as a new one and gets all state from the leader, a client registers as a new node"
	whyACL       = "a reload does not read it; from then on the servers want tokens, and the first is made by `nomad acl bootstrap`"
)

// between returns what differs between the configurations of a role. replaced are the lines that a lab cannot have.
func between(role pki.Role, from, to regress.Source, replaced []fit.Replaced) []Line {
	before, after := from.Configuration.Of(role), to.Configuration.Of(role)
	out := ofCertificates(role, before.Credential, after.Credential)
	for _, l := range rollout.Lines(before.Files, after.Files, len(out) > 0) {
		line := Line{
			Role: role, Setting: l.Path, Was: value(before.Files, l.Path), Becomes: value(after.Files, l.Path),
			Effect: Effect(l.Effect), Why: l.Why,
		}
		at, stands := after.Files.EffectiveLine(l.Path)
		if !stands {
			at, _ = before.Files.EffectiveLine(l.Path)
		}
		line.File, line.Number = at.File, at.Number
		out = append(out, line.special(before.Files, after.Files, replaced))
	}
	return out
}

// special corrects the effect of lines that a cluster treats in their own way.
func (l Line) special(before, after agentconf.Files, replaced []fit.Replaced) Line {
	is := func(setting string) bool { return strings.EqualFold(l.Setting, setting) }
	switch {
	case is(expectSetting):
		l.Effect, l.Why = Nothing, whyExpect
	case is(dataSetting):
		l.Effect, l.Why = Replacement, whyDataMoved
	case is(encryptSetting) && before.Text(encryptSetting) != "" && after.Text(encryptSetting) != "":
		l.Effect, l.Why = Call, whyKey
	case is(encryptSetting):
		l.Why = whyKeyAdded
	case is(aclSetting) && flag(after, aclSetting):
		l.Why = whyACL
	case strings.HasPrefix(l.Setting, "tls.") && strings.HasSuffix(l.Setting, "_file"): // a lab may have it at a path of its own
	default:
		for _, r := range replaced {
			if is(r.Setting) || strings.HasPrefix(strings.ToLower(l.Setting), strings.ToLower(r.Setting)+".") {
				l.Effect, l.Why = NotRehearsed, "a lab has its own: "+r.Because
			}
		}
	}
	return l
}

// value returns the value of a setting as it may be shown; empty if it is not set.
func value(files agentconf.Files, setting string) string {
	line, stands := files.EffectiveLine(setting)
	if !stands {
		return ""
	}
	for _, secret := range files.Secrets() {
		if strings.EqualFold(secret.Setting, setting) {
			return "<redacted>"
		}
	}
	if texts, err := files.Texts(setting); err == nil && len(texts) > 1 {
		for i, text := range texts {
			texts[i] = strconv.Quote(text)
		}
		return agentconf.RedactValue(setting, "["+strings.Join(texts, ", ")+"]")
	}
	return strings.Join(strings.Fields(agentconf.RedactValue(setting, line.Value)), " ")
}

// ofCertificates returns what differs between two credentials, without their keys. A credential that is nil is the lab's.
func ofCertificates(role pki.Role, before, after *pki.Credential) []Line {
	if before == nil || after == nil {
		return nil
	}
	var out []Line
	if was, is := authoritiesOf(*before), authoritiesOf(*after); was != is {
		out = append(out, Line{
			Role: role, Setting: "content of tls.ca_file", Was: was, Becomes: is, Effect: Reload,
			Why: "a reload reads new content of the CA bundle at the same path, for new connections",
		})
	}
	if was, is := leafOf(*before), leafOf(*after); was != is {
		out = append(out, Line{
			Role: role, Setting: "content of tls.cert_file, tls.key_file", Was: was, Becomes: is, Effect: Reload,
			Why: "a reload reads new content of certificate and key at the same path",
		})
	}
	return out
}

// authoritiesOf describes the authorities that a credential's holder trusts.
func authoritiesOf(c pki.Credential) string {
	all, err := c.Authorities()
	if err != nil {
		return "none that can be read"
	}
	var names []string
	for _, a := range all {
		names = append(names, fmt.Sprintf("%s, serial %s", a.Subject.CommonName, short(fmt.Sprintf("%x", a.SerialNumber))))
	}
	slices.Sort(names)
	return strings.Join(names, "; ")
}

// leafOf describes a certificate.
func leafOf(c pki.Credential) string {
	leaf, err := c.Leaf()
	if err != nil {
		return "none that can be read"
	}
	return fmt.Sprintf("serial %s, until %s", short(fmt.Sprintf("%x", leaf.SerialNumber)), leaf.NotAfter.UTC().Format("2006-01-02 15:04:05"))
}

// short returns the first digits of a serial number.
func short(serial string) string {
	const digits = 8
	return serial[:min(digits, len(serial))]
}

// flag returns a boolean setting; false if it is not set.
func flag(files agentconf.Files, setting string) bool {
	on, err := files.Flag(setting)
	return err == nil && on
}
