package regress_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/regress"
)

const (
	soundServer = `server {
  enabled = true
  bootstrap_expect = 5
}
tls {
  ca_file   = "/etc/nomad.d/ca.pem"
  cert_file = "/etc/nomad.d/server.pem"
  key_file  = "/etc/nomad.d/server-key.pem"
}
`
	soundClient = "client { enabled = true }\n"
)

// written is a folder with these files, for its owner alone.
func written(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		at := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// TestRead: what is understood of a sound configuration.
func TestRead(t *testing.T) {
	folder := written(t, map[string]string{
		"server/b.hcl": soundServer, "server/a.json": `{"region": "eu", "datacenter": "ams"}`, "server/notes.txt": "none of Nomad's",
		"server/.#b.hcl": "an editor's", "client.hcl": soundClient + `region = "eu"`,
	})
	s, err := regress.Read(regress.Paths{Server: []string{filepath.Join(folder, "server")}, Client: []string{filepath.Join(folder, "client.hcl")}})
	if err != nil {
		t.Fatal(err)
	}
	if s.Region != "eu" || s.Datacenter != "ams" || s.Servers != 5 {
		t.Errorf("region %q, datacenter %q, %d servers", s.Region, s.Datacenter, s.Servers)
	}
	var names []string
	for _, f := range s.Configuration.Server.Files {
		names = append(names, filepath.Base(f.Name()))
	}
	if got := strings.Join(names, " "); got != "a.json b.hcl" {
		t.Errorf("the servers' files are %s", got)
	}
}

// TestReadTakesWhatNomadTakes: what stands in a file and says nothing, and names in any form.
func TestReadTakesWhatNomadTakes(t *testing.T) {
	for name, test := range map[string]struct{ server, client, region, datacenter string }{
		"lists with nothing": {
			`{"server": {"enabled": "true", "bootstrap_expect": "0x3", "start_join": [], "retry_max": 0, "server_join": {"retry_join": ["a"]}}}`,
			"client {\n enabled = 1\n server_join {\n  start_join = []\n  retry_join = [\"a\"]\n }\n}", "global", "dc1",
		},
		"a region in capitals":      {soundServer + "region = \"DMZ\"\ndatacenter = \"Rack 1\"", soundClient + `region = "DMZ"`, "DMZ", "Rack 1"},
		"a region with underscores": {soundServer + "region = \"eu_central\"", soundClient + `region = "eu_central"`, "eu_central", "dc1"},
		"CRLF":                      {strings.ReplaceAll(soundServer, "\n", "\r\n"), soundClient, "global", "dc1"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := written(t, map[string]string{"s.hcl": test.server, "c.hcl": test.client})
			s, err := regress.Read(regress.Paths{Server: []string{filepath.Join(folder, "s.hcl")}, Client: []string{filepath.Join(folder, "c.hcl")}})
			if err != nil {
				t.Fatal(err)
			}
			if s.Region != test.region || s.Datacenter != test.datacenter {
				t.Errorf("region %q, datacenter %q", s.Region, s.Datacenter)
			}
		})
	}
}

// TestBadInput: each has an error of its own, which says where and what to do. The control is TestRead.
func TestBadInput(t *testing.T) {
	full := func(with string) string { return strings.Repeat(with, (4<<20-1<<10)/len(with)) } // nearly as long as a file may be
	for name, test := range map[string]struct {
		files          map[string]string
		server, client string
		says           []string
	}{
		"no such file":    {server: "nowhere.hcl", says: []string{"nowhere.hcl", "no such file", "give a file or a folder"}},
		"an empty folder": {files: map[string]string{"d/readme.txt": ""}, server: "d", says: []string{"holds no file that Nomad would load", "*.hcl"}},
		"a syntax error":  {files: map[string]string{"s.hcl": "server {\n  enabled = true\n"}, server: "s.hcl", says: []string{"s.hcl:", "expected closing RBRACE"}},
		"two syntax errors": {
			files: map[string]string{"d/a.hcl": "server {", "d/b.hcl": "tls {"}, server: "d", says: []string{"a.hcl:", "b.hcl:"},
		},
		"JSON that is cut off": {
			files: map[string]string{"s.json": `{"server": {"enabled": true}`}, server: "s.json", says: []string{"s.json is cut off", "Nomad would take"},
		},
		"a client as a server": {
			files: map[string]string{"s.hcl": soundClient}, server: "s.hcl", says: []string{"is a client's configuration", "s.hcl:1", "--client-config"},
		},
		"a server as a client": {
			files: map[string]string{"s.hcl": soundServer}, server: "s.hcl", client: "s.hcl", says: []string{"is a server's configuration", "--server-config"},
		},
		"both at once": {
			files: map[string]string{"s.hcl": soundServer + soundClient}, server: "s.hcl", says: []string{"a client as well", "s.hcl:10"},
		},
		"neither": {
			files: map[string]string{"s.hcl": `region = "eu"`}, server: "s.hcl", says: []string{"starts no server", "server { enabled = true }"},
		},
		"two regions": {
			files:  map[string]string{"s.hcl": soundServer, "c.hcl": soundClient + `region = "eu"`},
			server: "s.hcl", client: "c.hcl", says: []string{"region is eu", "c.hcl:2", "global"},
		},
		"two joins": {
			files:  map[string]string{"s.hcl": "server {\n  enabled = true\n  retry_join = [\"a\"]\n  server_join { retry_join = [\"b\"] }\n}\n"},
			server: "s.hcl", says: []string{"server.retry_join", "s.hcl:3", "cannot both be defined"},
		},
		"a number beside a join": {
			files:  map[string]string{"s.hcl": "server {\n  enabled = true\n  retry_max = 2\n  server_join { retry_join = [\"b\"] }\n}\n"},
			server: "s.hcl", says: []string{"s.hcl:3: server.retry_max", "server_join and retry_max cannot both be defined"},
		},
		"a client that joins at once": {
			files: map[string]string{
				"s.hcl": soundServer, "c.hcl": "client {\n  enabled = true\n  server_join {\n    retry_join = [\"a\"]\n    start_join = [\"a\"]\n  }\n}\n",
			},
			server: "s.hcl", client: "c.hcl", says: []string{"c.hcl:5: client.server_join.start_join", "start_join is not supported for Nomad clients"},
		},
		"an old Raft": {
			files:  map[string]string{"s.hcl": "server {\n  enabled = true\n  raft_protocol = 2\n}\n"},
			server: "s.hcl", says: []string{"s.hcl:3: server.raft_protocol", "raft_protocol must be 3 in Nomad v1.4 and later, got 2"},
		},
		"a name that Nomad does not know": {
			files:  map[string]string{"s.hcl": "server {\n  enabled = true\n  bootstrap = 3\n}\n"},
			server: "s.hcl", says: []string{"s.hcl:3:3: server unexpected keys bootstrap"},
		},
		"a region that no certificate names": {
			files:  map[string]string{"s.hcl": soundServer + "region = \"a b\"\n"},
			server: "s.hcl", says: []string{`"a b"`, "s.hcl:10", "Nomad takes and nomadlab does not", "underscores"},
		},
		"files of two hosts": {
			files: map[string]string{
				"s/a.hcl": "name = \"a\"\nregion = \"one\"\nserver { enabled = true }\n", "s/b.hcl": "name = \"b\"\nregion = \"two\"\nserver { enabled = true }\n",
			},
			server: "s", says: []string{`name is "a" at `, "a.hcl:1", `"b" at`, "b.hcl:1", "region", "a.hcl:2", "b.hcl:2", "files of two hosts"},
		},
		"no end": {server: "/dev/zero", says: []string{"/dev/zero", "no regular file", "a limit of nomadlab"}},
		"a number that is none": {
			files: map[string]string{"s.hcl": "server {\n  enabled = true\n  bootstrap_expect = \"three\"\n}\n"}, server: "s.hcl",
			says: []string{"bootstrap_expect"},
		},
		// What reads HCL and JSON calls itself at each bracket, and Go ends a program whose stack is full.
		"blocks without end": {
			files: map[string]string{"s.hcl": soundServer + full("a {\n")}, server: "s.hcl",
			says: []string{"s.hcl:510:3: nested more than 500 times", "a limit of nomadlab"},
		},
		"lists without end": {
			files: map[string]string{"s.hcl": soundServer + "a = " + full("[")}, server: "s.hcl", says: []string{"s.hcl:10:505: nested more than 500 times"},
		},
		"objects of JSON without end": {
			files: map[string]string{"s.json": full(`{"a":`)}, server: "s.json", says: []string{"s.json:1:2501: nested more than 500 times"},
		},
		"lists of JSON without end": {
			files: map[string]string{"s.json": `{"a": ` + full("[")}, server: "s.json", says: []string{"s.json:1:506: nested more than 500 times"},
		},
		"nested too deep by one": {
			files: map[string]string{"s.hcl": soundServer + "a = " + strings.Repeat("[", 501) + strings.Repeat("]", 501)}, server: "s.hcl",
			says: []string{"s.hcl:10:505: nested more than 500 times"},
		},
		"nested as deep as may be": { // the control: it is read
			files: map[string]string{"s.hcl": soundServer + "a = " + strings.Repeat("[", 500) + strings.Repeat("]", 500)}, server: "s.hcl",
			says: []string{"s.hcl:10:1: unexpected keys a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := written(t, test.files)
			paths := regress.Paths{Server: []string{filepath.Join(folder, test.server)}}
			if filepath.IsAbs(test.server) {
				paths.Server[0] = test.server
			}
			if test.client != "" {
				paths.Client = []string{filepath.Join(folder, test.client)}
			}
			_, err := regress.Read(paths)
			refused(t, err, test.says...)
		})
	}
}

// TestFlagsOfNomad: the error for flags of an agent says what to write into a file instead, and that very text can be read.
func TestFlagsOfNomad(t *testing.T) {
	for role, test := range map[string]struct{ flags, setting, want string }{
		"server": {"-server -bootstrap-expect=3 -encrypt=KEY", "server.encrypt", "KEY"},
		"client": {"-client -servers=HOST:4647", "client.servers", "HOST:4647"},
	} {
		folder := written(t, map[string]string{"s.hcl": soundServer, "bare.hcl": `region = "global"`})
		paths := regress.Paths{Server: []string{filepath.Join(folder, "bare.hcl")}}
		if role == "client" {
			paths = regress.Paths{Server: []string{filepath.Join(folder, "s.hcl")}, Client: []string{filepath.Join(folder, "bare.hcl")}}
		}
		_, err := regress.Read(paths)
		refused(t, err, "starts no "+role, test.flags)
		lines := strings.Split(err.Error(), "\n")
		files := agentconf.Files{agentconf.NewFile("told.hcl", []byte(lines[len(lines)-1]))}
		got, textErr := files.Texts(test.setting)
		if on, err := files.Flag(role + ".enabled"); err != nil || textErr != nil || !on || !slices.Equal(got, []string{test.want}) {
			t.Errorf("%q makes it one: %v, %s is %q: %v, %v", lines[len(lines)-1], on, test.setting, got, err, textErr)
		}
	}
}

// refused demands an error of its kind that says all of that.
func refused(t *testing.T, err error, says ...string) {
	t.Helper()
	if !errors.Is(err, regress.ErrConfiguration) {
		t.Fatalf("error %v, want an ErrConfiguration", err)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not say %q", err, s)
		}
	}
}

// credentials are the files of a role's certificate, as soundServer names them.
func credentials(t *testing.T, a *pki.Authority, id pki.Identity) map[string]string {
	t.Helper()
	c, err := a.Issue(id)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"ca.pem": string(c.CAPEM), "server.pem": string(c.CertPEM), "server-key.pem": string(c.KeyPEM)}
}

// TestGivenCertificates: certificates that the user gives belong to the configuration and to each other, or the error says what
// does not. The control is the first row.
func TestGivenCertificates(t *testing.T) {
	authority, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := func(change func(map[string]string)) map[string]string {
		files := credentials(t, authority, pki.Identity{Role: pki.Server})
		change(files)
		return files
	}
	for name, test := range map[string]struct {
		tls  map[string]string
		says []string
	}{
		"sound": {tls: server(func(map[string]string) {})},
		"below their whole path": {tls: server(func(f map[string]string) {
			for _, name := range []string{"ca.pem", "server.pem", "server-key.pem"} {
				f["etc/nomad.d/"+name] = f[name]
				delete(f, name)
			}
		})},
		"a file that is missing": {
			tls:  server(func(f map[string]string) { delete(f, "server-key.pem") }),
			says: []string{"tls.key_file", "s.hcl:8", "/etc/nomad.d/server-key.pem", "leave --tls-dir out"},
		},
		"a key of another certificate": {
			tls: server(func(f map[string]string) {
				f["server-key.pem"] = credentials(t, authority, pki.Identity{Role: pki.Server})["server-key.pem"]
			}),
			says: []string{"server-key.pem is not the key of", "server.pem"},
		},
		"a certificate of another role, which is for the checks to find": {tls: credentials(t, authority, pki.Identity{Role: pki.Client})},
		"in a folder of the role": {tls: server(func(f map[string]string) {
			for _, name := range []string{"ca.pem", "server.pem", "server-key.pem"} {
				f["server/"+name] = f[name]
				delete(f, name)
			}
			f["client/server.pem"] = "another"
		})},
		"somewhere below": {tls: server(func(f map[string]string) {
			f["a/b/server-key.pem"] = f["server-key.pem"]
			delete(f, "server-key.pem")
		})},
		"twice below": {
			tls: server(func(f map[string]string) {
				f["a/server-key.pem"], f["b/server-key.pem"] = f["server-key.pem"], f["server-key.pem"]
				delete(f, "server-key.pem")
			}),
			says: []string{"tls.key_file", "has several of that name", "--server-tls-dir"},
		},
		"no certificate": {
			tls: server(func(f map[string]string) { f["server.pem"] = "hello" }), says: []string{"server.pem holds no certificate"},
		},
		"no authority": {
			tls: server(func(f map[string]string) { f["ca.pem"] = "" }), says: []string{"ca.pem holds no certificate of an authority"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			paths := regress.Paths{
				Server: []string{filepath.Join(written(t, map[string]string{"s.hcl": soundServer}), "s.hcl")}, TLS: written(t, test.tls),
			}
			s, err := regress.Read(paths)
			if test.says != nil {
				refused(t, err, test.says...)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s.Configuration.Server.Credential == nil {
				t.Error("there is no credential")
			}
		})
	}
}

// TestTheAuthoritysKey is found at the top of the folder, where it is the key of an authority that the agents trust.
func TestTheAuthoritysKey(t *testing.T) {
	own, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		beside *pki.Authority
		found  bool
	}{"its own": {own, true}, "another": {other, false}, "none": {nil, false}} {
		t.Run(name, func(t *testing.T) {
			folder := written(t, credentials(t, own, pki.Identity{Role: pki.Server}))
			if test.beside != nil {
				if err := test.beside.Save(folder); err != nil {
					t.Fatal(err)
				}
			}
			s, err := regress.Read(regress.Paths{
				Server: []string{filepath.Join(written(t, map[string]string{"s.hcl": soundServer}), "s.hcl")}, TLS: folder,
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := s.Configuration.Authority != nil; got != test.found {
				t.Errorf("the authority's key is at hand: %t, want %t", got, test.found)
			}
		})
	}
}

// TestEvenServers: an even number of servers is reported with its line, and an odd one is not.
func TestEvenServers(t *testing.T) {
	for n, says := range map[string]string{"1": "", "3": "", "2": "2 servers survive no more failures than 1 do", "4": "4 servers survive no more failures than 3 do"} {
		s, err := regress.Read(regress.Paths{Server: []string{written(t, map[string]string{
			"s.hcl": soundServer, "t.hcl": "# one\nserver { bootstrap_expect = " + n + " }",
		})}})
		if err != nil {
			t.Fatal(err)
		}
		notes := strings.Join(s.Notes, "\n")
		if told := strings.Contains(notes, "is even"); told != (says != "") || !strings.Contains(notes, says) || told && !strings.Contains(notes, "t.hcl:2") {
			t.Errorf("of %s servers the notes say %q, want %q", n, notes, says)
		}
	}
}
