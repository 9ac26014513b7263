package lab_test

import (
	"errors"
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// TestSettingsOnThisMachine: what others could make use of is refused there, and nowhere else.
func TestSettingsOnThisMachine(t *testing.T) {
	rawExec := spec.Setting{Path: "plugin.raw_exec.config.enabled", Value: "true"}
	templates := spec.Setting{Path: "client.template.function_denylist", Value: "[]"}
	for name, c := range map[string]struct {
		spec    spec.Spec
		refused bool
	}{
		"raw_exec alone":             {spec.Spec{Settings: []spec.Setting{rawExec}}, false},
		"raw_exec and plain HTTP":    {spec.Spec{Settings: []spec.Setting{rawExec, {Path: "tls.http", Value: "false"}}}, true},
		"raw_exec and no gossip key": {spec.Spec{Settings: []spec.Setting{rawExec, noGossipKey()}}, true},
		"raw_exec of one, and no key of another": {spec.Spec{Settings: []spec.Setting{
			{Node: "client-1", Path: rawExec.Path, Value: "true"}, {Node: "server-2", Path: "server.encrypt"},
		}}, true},
		"raw_exec and a setting":         {spec.Spec{Settings: []spec.Setting{rawExec, {Path: "tls.http"}}}, true},
		"raw_exec by another spelling":   {spec.Spec{Settings: []spec.Setting{{Path: "Plugin.raw_exec.config.enabled", Value: "true"}, {Path: "tls.http"}}}, true},
		"raw_exec and the other drivers": {spec.Spec{Settings: []spec.Setting{{Path: "client.options", Value: "{}"}}}, true},
		"tasks on every interface":       {spec.Spec{Settings: []spec.Setting{{Path: "client.network_interface"}}}, true},
		"templates, and a client that forgets tokens late": {spec.Spec{Hardened: true, Settings: []spec.Setting{
			templates, {Role: pki.Client, Path: "acl.token_ttl", Value: `"24h"`}, {Role: pki.Client, Path: "acl.enabled", Value: "false"},
		}}, false},
		"templates, and no tokens":      {spec.Spec{Settings: []spec.Setting{templates}}, true},
		"templates by another spelling": {spec.Spec{Settings: []spec.Setting{{Path: "Client.Template.disable_file_sandbox", Value: "true"}}}, true},
		"downloads, and no tokens":      {spec.Spec{Settings: []spec.Setting{{Path: "client.artifact.disable_filesystem_isolation", Value: "true"}}}, true},
		"templates of a hardened lab":   {spec.Spec{Hardened: true, Settings: []spec.Setting{templates}}, false},
		"templates, and ACLs are off": {spec.Spec{Hardened: true, Settings: []spec.Setting{
			templates, {Path: "acl.enabled", Value: "false"},
		}}, true},
		"templates of a hardened lab that anybody may bootstrap": {spec.Spec{Hardened: true, NotBootstrapped: true, Settings: []spec.Setting{templates}}, true},
		"programs of a folder, and no tokens":                    {spec.Spec{Settings: []spec.Setting{{Path: "client.host_volume_plugin_dir", Value: `"/opt/volumes"`}}}, true},
		"another setting":                                        {spec.Spec{Settings: []spec.Setting{{Path: "enable_debug", Value: "true"}}}, false},
	} {
		if strings.HasSuffix(name, "interface") {
			c.spec.Settings[0].Value = `"eth0"`
		}
		_, err := lab.NewPlan(c.spec, lab.Processes())
		if errors.Is(err, spec.ErrInvalid) != c.refused || (err != nil) != c.refused {
			t.Errorf("%s: got %v, want it refused: %v", name, err, c.refused)
		}
		if c.refused && !strings.Contains(err.Error(), "bring the lab up in containers") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := lab.NewPlan(c.spec, lab.Containers()); err != nil {
			t.Errorf("%s, in containers: %v", name, err)
		}
	}
}

// TestSettingThatDoesNotFit the text that it is to change is the user's to mend.
func TestSettingThatDoesNotFit(t *testing.T) {
	for path, want := range map[string]string{
		"tls.tls_min_version": `"no tls.tls_min_version", for server-1: change tls.tls_min_version: there is no line`,
		"tls.ca_file.x":       "ca_file is not a block here",
	} {
		_, err := lab.NewPlan(spec.Spec{}.With(spec.Set("", path, "")), lab.Containers())
		if !errors.Is(err, spec.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}
