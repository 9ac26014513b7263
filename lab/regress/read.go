package regress

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"nomadlab.internal/internal/userfile"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Nomad's default datacenter (command/agent/config.go:1713), and the number of servers if the configuration does not say it.
const (
	defaultDatacenter = "dc1"
	defaultServers    = 3
)

// Read reads a user's configuration. Errors wrap ErrConfiguration, and list all that is wrong with a file, each with its line.
func Read(p Paths) (Source, error) {
	s, err := read(p)
	if err != nil {
		return Source{}, fmt.Errorf("%w: %w", ErrConfiguration, err)
	}
	return s, nil
}

func read(p Paths) (Source, error) {
	s, err := readConfiguration(p)
	if err != nil {
		return Source{}, err
	}
	if err := s.readCredentials(p); err != nil {
		return Source{}, err
	}
	s.noteUnread()
	s.noteEven()
	return s, s.checkTLS()
}

// readConfiguration reads and understands the files of all roles, without those that they name.
func readConfiguration(p Paths) (Source, error) {
	s := Source{Configuration: &spec.Configuration{}}
	paths := map[pki.Role][]string{pki.Server: p.Server, pki.Client: p.Client}
	for _, role := range []pki.Role{pki.Server, pki.Client} {
		files, originals, err := readFiles(role, paths[role])
		if err != nil {
			return Source{}, err
		}
		if err := errors.Join(files.Check(), whole(files), ofOneHost(files)); err != nil {
			return Source{}, err
		}
		s.of(role).Files = files
		s.Originals = append(s.Originals, originals...)
	}
	return s, s.understand()
}

// noteEven adds a note on an even number of servers, as Nomad warns of it (command/agent/command.go:537).
func (s *Source) noteEven() {
	const setting = "server.bootstrap_expect"
	files := s.files(pki.Server)
	if n, err := strconv.Atoi(files.Text(setting)); err == nil && n > 0 && n%2 == 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%s = %d%s is even: %d servers survive no more failures than %d do, and Nomad warns of it", setting, n, at(files, setting), n, n-1))
	}
}

// noteUnread adds a note for each line that Nomad ignores.
func (s *Source) noteUnread() {
	for _, role := range s.roles() {
		for _, u := range s.files(role).Unread() {
			why := fmt.Sprintf("Nomad %s has no such setting", agentconf.Release())
			if u.Since != "" {
				why = "Nomad does not read it any more since " + u.Since
			}
			note := fmt.Sprintf("%s at %s:%d: %s, and ignores it without a word", u.Setting, u.File, u.Number, why)
			if !slices.Contains(s.Notes, note) {
				s.Notes = append(s.Notes, note)
			}
		}
	}
}

// whole refuses JSON that is cut off. For Nomad's parser the end of the file ends every object, so Nomad takes what there is
// (verified against Nomad 1.11.3).
func whole(files agentconf.Files) error {
	var errs []error
	for _, f := range files {
		if !bytes.HasPrefix(bytes.TrimSpace(f.Text()), []byte("{")) {
			continue
		}
		if err := json.Unmarshal(f.Text(), new(any)); err != nil && strings.Contains(err.Error(), "unexpected end") {
			errs = append(errs, fmt.Errorf("%s is cut off: %w; Nomad would take what there is of it", f.Name(), err))
		}
	}
	return errors.Join(errs...)
}

// ofOneHost refuses files that give the agent two identities or addresses. Nomad takes the last, but such files are most likely
// those of two hosts.
func ofOneHost(files agentconf.Files) error {
	var errs []error
	for _, setting := range []string{"name", "region", "bind_addr", "advertise.http", "advertise.rpc", "advertise.serf"} {
		lines := files.Lookup(setting)
		other := slices.IndexFunc(lines, func(l agentconf.Line) bool { return l.File != lines[0].File && l.Value != lines[0].Value })
		if other < 0 {
			continue
		}
		one, two := lines[0], lines[other]
		errs = append(errs, fmt.Errorf("%s is %s at %s:%d and %s at %s:%d, as in files of two hosts, which nomadlab does not merge: give those of one host, or take out the line that does not count",
			setting, one.Value, one.File, one.Number, two.Value, two.File, two.Number))
	}
	return errors.Join(errs...)
}

// readFiles reads the files that an agent loads for the paths, in its order.
func readFiles(role pki.Role, paths []string) (agentconf.Files, []Original, error) {
	var files agentconf.Files
	var originals []Original
	for _, given := range paths {
		names, err := inside(given)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range names {
			text, err := userfile.Read(name)
			if err != nil {
				return nil, nil, err
			}
			file := agentconf.NewFile(name, text)
			original, err := originalOf(role, name, HoldsSettings)
			if err != nil {
				return nil, nil, err
			}
			if original.Secrets = (agentconf.Files{file}).Secrets(); len(original.Secrets) > 0 {
				original.Holds = HoldsSecrets
			}
			files, originals = append(files, file), append(originals, original)
		}
	}
	return files, originals, nil
}

// inside returns the files that Nomad loads for the path: the file itself, or those of a folder by name.
func inside(given string) ([]string, error) {
	info, err := os.Stat(given)
	if err != nil {
		return nil, fmt.Errorf("%w: give a file or a folder of the agent's configuration", err)
	}
	if !info.IsDir() {
		return []string{given}, nil
	}
	entries, err := os.ReadDir(given) // by name
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() && agentconf.InFolder(e.Name()) {
			names = append(names, filepath.Join(given, e.Name()))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s holds no file that Nomad would load: give one with files named *.hcl or *.json", given)
	}
	return names, nil
}

func originalOf(role pki.Role, path string, holds Holds) (Original, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Original{}, err
	}
	o := Original{Role: role, Path: path, Holds: holds, Mode: info.Mode().Perm()}
	if owner, known := info.Sys().(*syscall.Stat_t); known {
		o.Owner = int(owner.Uid)
	}
	return o, nil
}

// understand reads what must be known before an agent is started, and refuses a configuration of another role.
func (s *Source) understand() error {
	for _, role := range s.roles() {
		if err := checkRole(role, s.files(role)); err != nil {
			return err
		}
	}
	server, client := s.files(pki.Server), s.files(pki.Client)
	s.Region = cmp.Or(server.Text("region"), pki.DefaultRegion)
	s.Datacenter = cmp.Or(server.Text("datacenter"), defaultDatacenter)
	if of := cmp.Or(client.Text("region"), pki.DefaultRegion); s.hasClients() && of != s.Region {
		return fmt.Errorf("the clients' region is %s%s, the servers' is %s%s: they would never meet; give both the same",
			of, at(client, "region"), s.Region, at(server, "region"))
	}
	if err := (pki.Identity{Role: pki.Server, Region: s.Region}).Validate(); err != nil {
		return fmt.Errorf("%q%s is a region's name that Nomad takes and nomadlab does not: it is part of the names in certificates (server.REGION.nomad): "+
			"check with another one, of at most 63 letters, digits, hyphens and underscores", s.Region, at(server, "region"))
	}
	n, _, err := server.Number("server.bootstrap_expect")
	if err != nil {
		return err
	}
	s.Servers = cmp.Or(int(n), defaultServers)
	return nil
}

// checkRole refuses a configuration that does not start an agent of the role, and of no other.
func checkRole(role pki.Role, files agentconf.Files) error {
	other := pki.Client
	if role == pki.Client {
		other = pki.Server
	}
	is, err := files.Flag(string(role) + ".enabled")
	if err != nil {
		return err
	}
	isOther, err := files.Flag(string(other) + ".enabled")
	switch where := at(files, string(other)+".enabled"); {
	case err != nil:
		return err
	case len(files) == 0:
		return fmt.Errorf("there is no configuration of a %s: give it with --%s-config", role, role)
	case is && isOther:
		return fmt.Errorf("%s makes its agent a %s as well%s: who may run jobs on it has a server's keys; give each role a configuration of its own",
			named(files), other, where)
	case isOther:
		return fmt.Errorf("%s is a %s's configuration%s: give it with --%s-config%s", named(files), other, where, other, ByFlags(role))
	case !is:
		return fmt.Errorf("%s starts no %s: `%s { enabled = true }` is nowhere in it%s", named(files), role, role, ByFlags(role))
	default:
		return files.CheckStart()
	}
}

// ByFlags returns, as the end of a sentence, what to do if flags of `nomad agent` start the role.
func ByFlags(role pki.Role) string {
	flags, text := "-client -servers=HOST:4647", `client { enabled = true, servers = ["HOST:4647"] }`
	if role == pki.Server {
		flags, text = "-server -bootstrap-expect=3 -encrypt=KEY", `server { enabled = true, bootstrap_expect = 3, encrypt = "KEY" }`
	}
	return fmt.Sprintf("; where flags of `nomad agent` make the agent a %s, write them into a file and give that as well: %s is\n  %s", role, flags, text)
}

// named returns the names of the files, at most three.
func named(files agentconf.Files) string {
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), len(names)-2)
	}
	return strings.Join(names, ", ")
}

// at returns the place of a setting, to be put behind its name. Empty: no file sets it.
func at(files agentconf.Files, setting string) string {
	lines := files.Lookup(setting)
	if len(lines) == 0 {
		return ""
	}
	last := lines[len(lines)-1]
	return fmt.Sprintf(" (%s:%d)", last.File, last.Number)
}

// isFile reports whether the path is a regular file.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
