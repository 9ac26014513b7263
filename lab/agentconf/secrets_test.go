package agentconf_test

import (
	"fmt"
	"slices"
	"testing"

	"nomadlab.internal/lab/agentconf"
)

// TestSecrets: what is a secret is known by its setting, in HCL and JSON, and where it stands.
func TestSecrets(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"a gossip key":             {"server {\n  encrypt = \"abc\"\n}", []string{"server.encrypt:2"}},
		"in JSON":                  {`{"server": [{"encrypt": "abc"}]}`, []string{"server.encrypt:1"}},
		"in capitals":              {`Server { Encrypt = "abc" }`, []string{"Server.Encrypt:1"}},
		"an empty one":             {`server { encrypt = "" } acl { replication_token = "" }`, nil},
		"a replication token":      {`acl { replication_token = "abc" }`, []string{"acl.replication_token:1"}},
		"of a named Consul":        {`consul { name = "other" token = "abc" }`, []string{"consul.token:1"}},
		"of Vault and Consul":      {"vault { token = \"a\" }\nconsul { auth = \"u:p\" }", []string{"vault.token:1", "consul.auth:2"}},
		"of a KMS":                 {"keyring \"awskms\" {\n  access_key = \"a\"\n  secret_key = \"b\"\n}", []string{"keyring.awskms.secret_key:3"}},
		"in go-discover's query":   {`client { server_join { retry_join = ["provider=aws secret_access_key=abc"] } }`, []string{"client.server_join.retry_join:1"}},
		"a query without one":      {`server { retry_join = ["provider=aws tag_key=x tag_value=token"] }`, nil},
		"in an address":            {`vault { address = "https://u:p@vault:8200" }`, []string{"vault.address:1"}},
		"an address":               {`vault { address = "https://vault:8200" }`, nil},
		"of a plugin":              {`plugin "x" { config { auth { password = "p" } } }`, []string{"plugin.x.config.auth.password:1"}},
		"a path of docker's":       {`plugin "docker" { config { auth { config = "/etc/auth.json" helper = "ecr" } } }`, nil},
		"a comment":                {"# encrypt = \"abc\": the token is elsewhere\nserver { enabled = true }", nil},
		"a meta entry":             {`client { meta { key = "v" token = "v" "secret" = "v" } }`, nil},
		"a header":                 {`http_api_response_headers { "Access-Control-Allow-Credentials" = "true" Authorization = "x" }`, nil},
		"a path with passwd in it": {`client { chroot_env { "/etc/passwd" = "/etc/passwd" } }`, nil},
		"what lives by a time":     {`acl { token_ttl = "30s" } tls { key_file = "/k" }`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := agentconf.Files{agentconf.NewFile("a.hcl", []byte(test.text))}
			if err := f.Check(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range f.Secrets() {
				got = append(got, fmt.Sprintf("%s:%d", s.Setting, s.Number))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}
