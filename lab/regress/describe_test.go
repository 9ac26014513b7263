package regress_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/regress"
)

// TestSettings: the settings that checks rest on are the same however a configuration is written. A secret is in none.
func TestSettings(t *testing.T) {
	read := func(name string) []finding.Setting {
		of := func(role string) string {
			for _, form := range []string{role, role + ".hcl", role + ".json"} {
				if at := "../../fixtures/config/" + name + "/" + form; exists(at) {
					return at
				}
			}
			t.Fatalf("%s has no configuration of a %s", name, role)
			return ""
		}
		s, err := regress.Read(regress.Paths{Server: []string{of("server")}, Client: []string{of("client")}})
		if err != nil {
			t.Fatal(err)
		}
		all := slices.Concat(regress.Settings(s), regress.Others(s))
		for i := range all {
			if all[i].Line == 0 || all[i].File == "" {
				t.Errorf("%s stands nowhere: %+v", all[i].Path, all[i])
			}
			if all[i].Path == "server.encrypt" && all[i].Value != "<redacted>" {
				t.Errorf("the gossip key is told: %+v", all[i])
			}
			all[i].File, all[i].Line = "", 0
		}
		return all
	}
	want := read("hardened")
	if len(want) < 20 {
		t.Fatalf("%d settings", len(want))
	}
	for _, form := range []string{"json", "split", "one-file"} {
		if diff := cmp.Diff(want, read(form)); diff != "" {
			t.Errorf("%s (-hardened +%s):\n%s", form, form, diff)
		}
	}
}

// TestOtherSettingsHoldNoSecret: settings that no check rests on are listed too, and secrets are redacted by their settings.
func TestOtherSettingsHoldNoSecret(t *testing.T) {
	at := filepath.Join(t.TempDir(), "server.hcl")
	text := "data_dir = \"/opt/x\"\nclient {\n  host_volume \"a\" { path = \"/\" }\n}\nconsul { auth = \"me:geheim\" }\n" +
		"telemetry { circonus_api_token = \"geheim\" }\nserver { enabled = true }\n"
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := regress.Read(regress.Paths{Server: []string{at}})
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, o := range slices.Concat(regress.Settings(s), regress.Others(s)) {
		told[o.Path] = o.Value
	}
	for path, want := range map[string]string{
		"client.host_volume.a.path": "/", "data_dir": "/opt/x", "consul.auth": "<redacted>", "telemetry.circonus_api_token": "<redacted>",
	} {
		if told[path] != want {
			t.Errorf("%s is told as %q, want %q", path, told[path], want)
		}
	}
}

// TestBooleansAreToldInOneWay: however a boolean is written, it is compared as the same one.
func TestBooleansAreToldInOneWay(t *testing.T) {
	of := func(yes, no, option string) []finding.Setting {
		return regress.Settings(small(t, "server { enabled = true }\nenable_debug = "+yes+"\nacl { enabled = "+no+" }\n",
			"client {\nenabled = true\noptions { \"driver.raw_exec.enable\" = "+option+" }\ntemplate { disable_file_sandbox = "+no+" }\n}\n"))
	}
	plain := func(all []finding.Setting) (told []string) {
		for _, s := range all {
			told = append(told, s.Role+" "+s.Path+" = "+s.Value)
		}
		return told
	}
	want := plain(of("true", "false", `"true"`))
	for _, c := range [][3]string{{"1", "0", `"1"`}, {`"1"`, `"0"`, `"t"`}, {`"TRUE"`, `"False"`, `"T"`}} {
		if diff := cmp.Diff(want, plain(of(c[0], c[1], c[2]))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c, diff)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
