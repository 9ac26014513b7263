package lab_test

import (
	"strings"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/spec"
)

// Configurations of agents, as GET /v1/agent/self returns them.
const (
	shutTLS  = `"TLSConfig":{"EnableHTTP":true,"EnableRPC":true,"VerifyHTTPSClient":true}`
	withACL  = `"ACL":{"Enabled":true}`
	sandbox  = `"Client":{"TemplateConfig":{"FunctionDenylist":["executeTemplate","plugin","writeToFile"]}}`
	tells    = `"Plugins":[{"Name":"raw_exec","Config":{"enabled":true}}]`
	tellsOff = `"Plugins":[{"Name":"raw_exec","Config":[{"enabled":false}]}]`
)

// TestExposed: a lab is refused if a client runs commands and unauthenticated callers are accepted, and only then.
func TestExposed(t *testing.T) {
	join := func(parts ...string) string { return "{" + strings.Join(parts, ",") + "}" }
	for name, c := range map[string]struct {
		server, client string
		drivers        []string
		planned        bool // the plan lacks no protection
		want           string
	}{
		"client certificates are demanded": {server: join(shutTLS), client: join(shutTLS, sandbox, tells), drivers: []string{"raw_exec"}},
		"tokens are demanded":              {server: join(withACL), client: join(sandbox, tells), drivers: []string{"raw_exec"}},
		"nothing to run":                   {server: join(), client: join(sandbox, tellsOff)},
		"the driver that runs nothing":     {server: join(), client: join(sandbox), drivers: []string{"mock_driver"}},
		"raw_exec":                         {server: join(), client: join(sandbox), drivers: []string{"raw_exec"}, want: "raw_exec, and its servers have no ACLs while client-1 serves plain HTTP"},
		"docker":                           {server: join(shutTLS), client: join(sandbox), drivers: []string{"docker", "exec"}, want: "drivers docker, exec"},
		"not listed yet":                   {server: join(shutTLS), client: join(sandbox, tells), want: "raw_exec"},
		"by an old option": {
			server: join(shutTLS), client: join(`"Client":{"Options":{"driver.raw_exec.enable":"1"}}`), want: "raw_exec",
		},
		"no certificate of callers": {
			server: join(`"TLSConfig":{"EnableHTTP":true,"EnableRPC":true}`), client: join(shutTLS, tells), want: "server-1 demands no certificate",
		},
		"plain RPC": {
			server: join(`"TLSConfig":{"EnableHTTP":true,"EnableRPC":true,"VerifyHTTPSClient":true,"RPCUpgradeMode":true}`),
			client: join(shutTLS, tells), want: "server-1 accepts plain RPC",
		},
		"ACLs of the client alone":         {server: join(), client: join(withACL, sandbox, tells), want: "raw_exec"},
		"a template in the value":          {server: join(), client: join(`"Plugins":[{"Name":"raw_exec","Config":{"enabled":"${1 == 1}"}}]`), want: "raw_exec"},
		"templates":                        {server: join(), client: join(`"Client":{"TemplateConfig":{"FunctionDenylist":["plugin"]}}`), want: "template.function_denylist"},
		"downloads":                        {server: join(), client: join(`"Client":{"Artifact":{"DisableFilesystemIsolation":true}}`), want: "artifact.disable_filesystem_isolation"},
		"an agent that says nothing":       {server: "", client: join(shutTLS, tells), want: "server-1 does not say which callers"},
		"one of a plan that lacks nothing": {server: "", client: join(shutTLS, tells), planned: true},
	} {
		t.Run(name, func(t *testing.T) {
			problems, err := lab.Exposed(c.server, c.client, c.drivers, !c.planned)
			if err != nil {
				t.Fatal(err)
			}
			got := (&spec.InvalidError{Problems: problems}).Error()
			if (c.want == "") != (len(problems) == 0) || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
