package fit

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"nomadlab.internal/lab/agentconf"
)

// OwnFile is the name of the lab's own file, which comes after all others.
const OwnFile = "nomadlab.hcl"

// Place is the node on which a configuration is to run.
type Place struct {
	// Server is true for a server, false for a client.
	Server bool
	// Name is the name of the node.
	Name string
	// Address is the node's address on the lab's network.
	Address netip.Addr
	// Contained is true for a node with a network and a file system of its own. The others are processes of this machine
	// and share both.
	Contained bool
	// Data is the folder of the agent's data.
	Data string
	// LogLevel is the log level of the agent.
	LogLevel string
	// Join has the addresses of the lab's servers: serf's for a server, RPC's for a client.
	Join []string
	// Expect is how many servers the lab has, for a configuration without bootstrap_expect.
	Expect int
	// Version is the version of Nomad that is to read it: what that does not know yet is left out. Empty: nothing is.
	Version string
	// TLS returns the path of the file of a setting such as tls.key_file. Nil: the path in the configuration.
	TLS func(setting string) string
}

// Replaced is a line that the agent reads in a changed form.
type Replaced struct {
	// File is the name of its file; empty for a line that was added.
	File string
	// Line counts from 1; 0 for a line that was added.
	Line int
	// Setting is its path, such as server.retry_join.
	Setting string
	// Was and Became are its values, without secrets. Became is empty for a line that was removed.
	Was, Became string
	// Because is the reason.
	Because string
}

// Fitted is a configuration as the node reads it.
type Fitted struct {
	// Files are the user's, in their order, and last the lab's own.
	Files agentconf.Files
	// Replaced are the lines that were changed, removed or added.
	Replaced []Replaced
	// Ports are the ports at which the agent listens.
	Ports Ports
	// Inside has the ports at which the agent listens only on the node's own loopback. It is empty for a node that is not
	// contained: its address is a loopback address.
	Inside map[uint16]bool
	// CAFile, CertFile and KeyFile are the paths of the agent's credential. Empty: it has none.
	CAFile, CertFile, KeyFile string
	// HTTPInClear is true if the HTTP port has no TLS.
	HTTPInClear bool
}

// Ports are the TCP ports of an agent.
type Ports struct{ HTTP, RPC, Serf uint16 }

// Fit makes the configuration run at the place. Its errors name the setting, or the file, that cannot be read or changed.
func Fit(files agentconf.Files, p Place) (Fitted, error) {
	f := fitter{place: p, given: files, files: files, own: agentconf.Files{agentconf.NewFile(OwnFile, nil)}}
	for _, step := range []func() error{f.leaveOut, f.takeOut, f.dropBlocks, f.translate, f.credential, f.layOver} {
		if err := step(); err != nil {
			return Fitted{}, err
		}
	}
	return f.fitted()
}

// fitter is a configuration that is being fitted.
type fitter struct {
	place Place
	// given are the user's files as they were. files are those files with changes, own is the lab's own.
	given    agentconf.Files
	files    agentconf.Files
	own      agentconf.Files
	replaced []Replaced
	result   Fitted
}

// unknown is in the reason of a line that was left out because the node's Nomad does not know it.
const unknown = " does not know it"

// IsUnknown reports whether a line was left out for this reason because the node's Nomad does not know it.
func IsUnknown(because string) bool { return strings.Contains(because, unknown+":") }

// leaveOut removes what the node's Nomad does not know yet.
func (f *fitter) leaveOut() error {
	for _, l := range f.given.Lacking(f.place.Version) {
		if err := f.drop(l.Setting, fmt.Sprintf("Nomad %s%s: %s is the first that does", f.place.Version, unknown, l.Since)); err != nil {
			return err
		}
	}
	return nil
}

// drop removes the setting everywhere.
func (f *fitter) drop(setting, because string) error {
	return f.change(setting, "", because)
}

// change sets the setting to another value wherever it stands; the empty value removes it. A setting that stands nowhere
// stays so.
func (f *fitter) change(setting, value, because string) error {
	lines := f.given.Lookup(setting)
	if len(lines) == 0 || len(f.files.Lookup(setting)) == 0 { // or it was left out before
		return nil
	}
	var err error
	if value == "" {
		f.files, err = f.files.Remove(setting)
	} else {
		f.files, err = f.files.Set(setting, value)
	}
	if err != nil {
		return fmt.Errorf("fit %s to the lab: %w", setting, err)
	}
	f.note(lines, setting, value, because)
	return nil
}

// note records the change of the lines in Replaced.
func (f *fitter) note(lines []agentconf.Line, setting, value, because string) {
	for _, l := range lines {
		if l.Value == value || l.Value == `""` { // nothing was changed
			continue
		}
		f.replaced = append(f.replaced, Replaced{
			File: l.File, Line: l.Number, Setting: setting, Was: shown(setting, l.Value), Became: shown(setting, value), Because: because,
		})
	}
}

// lay sets a line in the lab's own file.
func (f *fitter) lay(setting, value string) error {
	own, err := f.own.Set(setting, value)
	if err != nil {
		return fmt.Errorf("lay %s over: %w", setting, err)
	}
	f.own = own
	return nil
}

// replace sets a line in the lab's own file and records it as a change of the user's lines, or as an added one.
func (f *fitter) replace(setting, value, because string) error {
	if lines := f.given.Lookup(setting); len(lines) > 0 {
		f.note(lines, setting, value, because)
	} else {
		f.replaced = append(f.replaced, Replaced{Setting: setting, Became: shown(setting, value), Because: because})
	}
	return f.lay(setting, value)
}

// shownLength bounds a value in Replaced, in bytes.
const shownLength = 120

// shown returns the value without secrets, in one line.
func shown(setting, value string) string {
	if value == "" {
		return ""
	}
	name := setting[strings.LastIndex(setting, ".")+1:]
	line := string(agentconf.Redact([]byte(name + " = " + value)))
	text := strings.Join(strings.Fields(strings.TrimPrefix(line, name+" = ")), " ")
	if len(text) > shownLength {
		text = strings.ToValidUTF8(text[:shownLength], "") + "…"
	}
	return text
}

// literal returns a text as a value of HCL.
func literal(text string) string { return strconv.Quote(text) }

// literals returns texts as a list of HCL.
func literals(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = literal(t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// fitted returns the result.
func (f *fitter) fitted() (Fitted, error) {
	encrypted, err := f.given.Flag("tls.http")
	if err != nil {
		return Fitted{}, err
	}
	out := f.result
	out.HTTPInClear = !encrypted
	out.Files = append(append(agentconf.Files{}, f.files...), f.own...)
	out.Replaced = f.replaced
	return out, nil
}
