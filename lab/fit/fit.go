package fit

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"nomadlab.internal/lab/agentconf"
)

// OwnFile is the name of the file that the lab lays over all others.
const OwnFile = "nomadlab.hcl"

// Place is the node at which a configuration is to run.
type Place struct {
	// Server says whether the node is one of the lab's servers; else it is a client.
	Server bool
	// Name is the node's.
	Name string
	// Address is the node's on the lab's network.
	Address netip.Addr
	// Contained is true for a node that has a network and a file system of its own. Else it is one of this machine's
	// processes, all of which share them.
	Contained bool
	// Data is the folder that has the agent's data.
	Data string
	// LogLevel is the one at which the agent is to log.
	LogLevel string
	// Join has the addresses of the lab's servers: serf's for a server, RPC's for a client.
	Join []string
	// Expect is how many servers the lab has, for a configuration that does not say.
	Expect int
	// TLS says where the node has the file to which the setting leads, such as tls.key_file. Nil: at the very path.
	TLS func(setting string) string
}

// Replaced is a line that is not used as it stands.
type Replaced struct {
	// File is its file, by the name that its user gave; empty for a line that was nowhere.
	File string
	// Line counts from 1; 0 for a line that was nowhere.
	Line int
	// Setting is its path, such as server.retry_join.
	Setting string
	// Was and Became are its value, without secrets. Became is empty for a line that was taken out.
	Was, Became string
	// Because says why.
	Because string
}

// Fitted is a configuration as the node has it.
type Fitted struct {
	// Files are the user's, in their order, and the lab's own last.
	Files agentconf.Files
	// Replaced are the lines that are not used as they stand.
	Replaced []Replaced
	// Ports are where the agent listens.
	Ports Ports
	// Inside says which of them listen on the node's own loopback alone. Nothing does where nodes are not contained, as each
	// has a loopback address of its own there.
	Inside map[uint16]bool
	// CAFile, CertFile and KeyFile are where the agent looks for its credential. Empty where it has none.
	CAFile, CertFile, KeyFile string
	// HTTPInClear is true for an agent whose HTTP port has no TLS.
	HTTPInClear bool
}

// Ports are the TCP ports of an agent.
type Ports struct{ HTTP, RPC, Serf uint16 }

// Fit makes the configuration run at the place. It returns the errors of files that cannot be read or changed, which name
// the setting.
func Fit(files agentconf.Files, p Place) (Fitted, error) {
	f := fitter{place: p, given: files, files: files, own: agentconf.Files{agentconf.NewFile(OwnFile, nil)}}
	for _, step := range []func() error{f.takeOut, f.dropBlocks, f.translate, f.credential, f.layOver} {
		if err := step(); err != nil {
			return Fitted{}, err
		}
	}
	return f.fitted()
}

// fitter is a configuration that is being fitted.
type fitter struct {
	place Place
	// given are the files as they were, whose lines the user knows.
	given agentconf.Files
	files agentconf.Files
	own   agentconf.Files
	// replaced collects what is told; result what is known of the node.
	replaced []Replaced
	result   Fitted
}

// drop takes the setting out wherever it stands.
func (f *fitter) drop(setting, because string) error {
	return f.change(setting, "", because)
}

// change gives the setting another value wherever it stands; empty takes it out. What stands nowhere stays so.
func (f *fitter) change(setting, value, because string) error {
	lines := f.given.Lookup(setting)
	if len(lines) == 0 {
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
	f.tell(lines, setting, value, because)
	return nil
}

// tell writes down what became of the lines.
func (f *fitter) tell(lines []agentconf.Line, setting, value, because string) {
	for _, l := range lines {
		if l.Value == value || l.Value == `""` { // it says nothing
			continue
		}
		f.replaced = append(f.replaced, Replaced{
			File: l.File, Line: l.Number, Setting: setting, Was: shown(setting, l.Value), Became: shown(setting, value), Because: because,
		})
	}
}

// lay puts a line into the lab's own file.
func (f *fitter) lay(setting, value string) error {
	own, err := f.own.Set(setting, value)
	if err != nil {
		return fmt.Errorf("lay %s over: %w", setting, err)
	}
	f.own = own
	return nil
}

// replace lays a line over those that the user has of it, which are told of, or takes note that there were none.
func (f *fitter) replace(setting, value, because string) error {
	if lines := f.given.Lookup(setting); len(lines) > 0 {
		f.tell(lines, setting, value, because)
	} else {
		f.replaced = append(f.replaced, Replaced{Setting: setting, Became: shown(setting, value), Because: because})
	}
	return f.lay(setting, value)
}

// shownLength bounds a value that is told, in bytes.
const shownLength = 120

// shown is the value without secrets, in one line.
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

// literal is a text as a value.
func literal(text string) string { return strconv.Quote(text) }

// literals are texts as a list.
func literals(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = literal(t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// fitted is the outcome.
func (f *fitter) fitted() (Fitted, error) {
	inClear, err := f.given.Flag("tls.http")
	if err != nil {
		return Fitted{}, err
	}
	out := f.result
	out.HTTPInClear = !inClear
	out.Files = append(append(agentconf.Files{}, f.files...), f.own...)
	out.Replaced = f.replaced
	return out, nil
}

// number is a number as a value.
func number(n int) string { return strconv.Itoa(n) }
