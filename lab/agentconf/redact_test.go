package agentconf_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/agentconf"
)

// In every case S3CR3T must go, and all else must stay as want says.
var redactions = map[string]struct{ text, want string }{
	"gossip key":             {`server { encrypt = "S3CR3T==" }`, `server { encrypt = "<redacted>" }`},
	"no spaces":              {`encrypt="S3CR3T"`, `encrypt="<redacted>"`},
	"any case":               {`Encrypt = "S3CR3T"`, `Encrypt = "<redacted>"`},
	"quoted name":            {`"encrypt" = "S3CR3T"`, `"encrypt" = "<redacted>"`},
	"dotted name":            {`server.encrypt = "S3CR3T"`, `server.encrypt = "<redacted>"`},
	"longer name":            {`replication_token = "S3CR3T"`, `replication_token = "<redacted>"`},
	"JSON":                   {`{"server":{"encrypt":"S3CR3T","enabled":true}}`, `{"server":{"encrypt":"<redacted>","enabled":true}}`},
	"JSON number":            {`{"pin_token": 5353535, "S": "S3CR3T_KEY"}`, `{"pin_token": <redacted> "S": "S3CR3T_KEY"}`},
	"JSON with a template":   {`{"a":{"token":"${S3CR3T"},"b":{"encrypt":"S3CR3T"},"c":1}`, `{"a":{"token":"<redacted>"b":{"encrypt":"<redacted>"},"c":1}`},
	"several on a line":      {`vault { token = "S3CR3T" } acl { replication_token = "S3CR3T" } x = 1`, `vault { token = "<redacted>" } acl { replication_token = "<redacted>" } x = 1`},
	"escaped quote":          {`token = "a\"S3CR3T" # keep`, `token = "<redacted>" # keep`},
	"quote in template":      {`token = "${file("S3CR3T")}" # keep`, `token = "<redacted>" # keep`},
	"template of lines":      {"token = \"${file(\n\"S3CR3T\")}\"\nkeep = 1", "token = \"<redacted>\"\nkeep = 1"},
	"value on next line":     {"token =\n  \"S3CR3T\"\nkeep = 1", "token =\n  \"<redacted>\"\nkeep = 1"},
	"comments between":       {"token /* old */ = # new\n \"S3CR3T\"", "token /* old */ = # new\n \"<redacted>\""},
	"in a comment":           {"# encrypt = \"S3CR3T\"\nkeep = 1", "# encrypt = \"<redacted>\"\nkeep = 1"},
	"comment in the gap":     {"token = // encrypt = \"S3CR3T\"\n\"S3CR3T\"\n", "token = // encrypt = \"<redacted>\"\n\"<redacted>\"\n"},
	"address before it":      {"a = \"auth://x\"\nencrypt = \"S3CR3T\"", "a = \"auth://x\"\n<redacted> = \"<redacted>\""},
	"open quote before it":   {"# token = \"oops\nencrypt = \"S3CR3T\"\nkeep = 1", "# token = \"<redacted>\"\nencrypt = \"<redacted>\"\nkeep = 1"},
	"open quote on its line": {`# token = "oops encrypt = "S3CR3T" # keep`, `# token = "<redacted>" # keep`},
	"HCL 1 percent":          {"meta { a = \"%{\" }\nencrypt = \"S3CR3T\"", "meta { a = \"%{\" }\nencrypt = \"<redacted>\""},
	"heredoc":                {"token = <<EOF\nS3CR3T\n\nS3CR3T EOF\nEOF\nkeep = 1", "token = \"<redacted>\"\nkeep = 1"},
	"indented heredoc":       {"token = <<-EOF\n  S3CR3T\n  EOF\nkeep = 1", "token = \"<redacted>\"\nkeep = 1"},
	"heredoc without end":    {"token = <<EOF\nS3CR3T\nkeep = 1", "token = \"<redacted>\"\n"},
	"list":                   {`secret = ["S3CR3T]", "S3CR3T"] # keep`, `secret = "<redacted>" # keep`},
	"object":                 {`auth = { user = "S3CR3T", deep = { a = "}" } } # keep`, `auth = "<redacted>" # keep`},
	"list without end":       {"secret = [\"S3CR3T\"\nkeep = 1", `secret = "<redacted>"`},
	"go-discover":            {`retry_join = ["provider=aws secret_access_key=S3CR3T/,'} tag_key=t"]`, `retry_join = ["provider=aws secret_access_key=<redacted> tag_key=t"]`},
	"quotes in a string":     {`a = "password=\"S3CR3T S3CR3T\" keep"`, `a = "password=\"<redacted>\" keep"`},
	"escape in bare word":    {`a = "password=S3CR3T\"S3CR3T keep"`, `a = "password=<redacted> keep"`},
	"address":                {`address = "https://me:S3CR3T@S3CR3T@host:8500/x"`, `address = "https://me:<redacted>@host:8500/x"`},
	"KEK provider":           {`keyring "awskms" { access_key = "S3CR3T" secret_key = "S3CR3T" kms_key_id = "k" }`, `keyring "awskms" { access_key = "<redacted>" secret_key = "<redacted>" kms_key_id = "k" }`},
	"keyring":                {`keyring "aead" { active = true key = "S3CR3T" }`, `keyring "aead" { active = true key = "<redacted>" }`},
	"keyring in JSON":        {`{"keyring":[{"Key":"S3CR3T","name":"aead"}]}`, `{"keyring":[{"Key":"<redacted>","name":"aead"}]}`},
	"Nomad's name for it":    {`{"Server":{"EncryptKey":"S3CR3T","Enabled":true}}`, `{"Server":{"EncryptKey":"<redacted>","Enabled":true}}`},
	"with an underscore":     {`encrypt_key = "S3CR3T"`, `encrypt_key = "<redacted>"`},
	"license":                {`license = "S3CR3T" license_path = "/l"`, `license = "<redacted>" license_path = "/l"`},
	"license in JSON":        {`{"LicenseEnv":"S3CR3T","LicensePath":"/l"}`, `{"LicenseEnv":"<redacted>","LicensePath":"/l"}`},
	"private key":            {"a = <<EOF\n-----BEGIN EC PRIVATE KEY-----\nS3CR3T\n-----END EC PRIVATE KEY-----\nEOF\n", "a = <<EOF\n<redacted>\nEOF\n"},
	"private key cut off":    {"-----BEGIN PRIVATE KEY-----\nS3CR3T\n", "<redacted>"},
	"key that opens":         {`auth_key = "S3CR3T" shared-key = "S3CR3T" gossip_key = "S3CR3T"`, `auth_key = "<redacted>" shared-key = "<redacted>" gossip_key = "<redacted>"`},
	"short password":         {`pass = "S3CR3T" db_pass = "S3CR3T" pwd = "S3CR3T"`, `pass = "<redacted>" db_pass = "<redacted>" pwd = "<redacted>"`},
	"plurals":                {`tokens = ["S3CR3T", "S3CR3T"] passwords = "S3CR3T" keys = ["S3CR3T"]`, `tokens = "<redacted>" passwords = "<redacted>" keys = "<redacted>"`},
	"blanks in quotes":       {`a = "password='S3CR3T S3CR3T' keep"`, `a = "password=<redacted> keep"`},
	"blanks in quotes, HCL":  {`password = "S3CR3T S3CR3T" keep = 1`, `password = "<redacted>" keep = 1`},
	"a quoted name in YAML":  {"'api-key': 'S3CR3T S3CR3T'\nkeep: 1", "'api-key': <redacted>\nkeep: 1"},
	"no HCL at all":          {"Authorization: S3CR3T}{[", "Authorization: <redacted>"},
}

func TestRedactTakesSecretsAway(t *testing.T) {
	for name, c := range redactions {
		t.Run(name, func(t *testing.T) {
			got := string(agentconf.Redact([]byte(c.text)))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(got, string(agentconf.Redact([]byte(got)))); diff != "" {
				t.Errorf("a second time changes it:\n%s", diff)
			}
		})
	}
}

// The control: text without secrets, much of it with their words in it, stays.
func TestRedactLeavesTheRest(t *testing.T) {
	for _, text := range []string{
		"", "\n", `name = "encrypt"`, `key_file = "/nomad/tls/key.pem"`, `token_ttl = "30s"`, `secret_path = "kv/token"`,
		`kms_key_id = "k"`, `tag_key=t`, `"tag_key" = "t"`, `{"KeyFile":"/k","NodeKey":"n"}`, `license_path = "/l"`, `keyring "aead" { active = true }`,
		`reporting { license { enabled = true } }`, `encrypted = "true"`, `monkey = "m"`, `key`, `token = ""`, `auth = false`, `{"token":null,"a":1}`, `token`, `token =`,
		`# the token of servers is kept elsewhere`, `auth { config = "/etc/docker.json" }`, `address = "https://host:8500/a@b"`,
		`bypass = "b"`, `compass = "c"`, `author = "a"`, `keys_dir = "/k"`, `password = ''`,
		"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n",
	} {
		if diff := cmp.Diff(text, string(agentconf.Redact([]byte(text)))); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestRedactLeavesOurOwnFilesAsTheyAre(t *testing.T) {
	for name, agent := range agents() {
		text := mustHCL(t, agent)
		if diff := cmp.Diff(string(text), string(agentconf.Redact(text))); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestRedactedGossipFileStillParses(t *testing.T) {
	const key = "cg8StVXbQJ0gPvMd9o7yrg=="
	shown := agentconf.Redact(agentconf.Gossip(key))
	if strings.Contains(string(shown), key) {
		t.Fatalf("the key is still there:\n%s", shown)
	}
	got := values(t, parse(t, shown), "", map[string]any{})
	if diff := cmp.Diff(map[string]any{"server.encrypt": "<redacted>"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestErrorsHaveNoSecrets: what Nomad quotes of a secret in a refusal is not repeated, and its place is.
func TestErrorsHaveNoSecrets(t *testing.T) {
	for name, c := range map[string]struct{ text, at string }{
		"a key without quotes":          {"server {\n  encrypt = dVPlufFjUOQuaP87qGEvVKnHxbz55Ze9DPwVHP3FsFg=\n}\n", "agent.hcl:2:13: "},
		"the same in JSON":              {"{\"server\": {\n \"encrypt\": dVPlufFjUOQuaP87qGEvVKnHxbz55Ze9DPwVHP3FsFg=}}", "agent.hcl:2:"},
		"a password for a number":       {"ports {\n  http = 1\n}\nserver {\n bootstrap_expect = 1\n auth_key = 3\n}\nclient { memory_total_mb = \"x\" }", "agent.hcl:"},
		"a token that is a boolean":     {"acl {\n  enabled = true\n  token = hunterhunter2\n}\n", "agent.hcl:3:11: "},
		"a license that is no name":     {"license = 01ABCDEFabcdef99\n", "agent.hcl:2:1: "},
		"a password behind a bad value": {"vault { password = dVPlufFjUOQuaP87 }\n", "agent.hcl:1:20: "},
	} {
		err := file(c.text).Check()
		if err == nil || !strings.HasPrefix(err.Error(), c.at) {
			t.Errorf("%s: got %v, want it at %s", name, err, c.at)
			continue
		}
		for _, secret := range []string{"dVPlufFj", "hunterhunter2", "01ABCDEF", "abcdef99"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the secret is told: %v", name, err)
			}
		}
	}
}

// Whatever stands before it, a plain assignment of a secret does not survive.
func FuzzRedact(f *testing.F) {
	for _, c := range redactions {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, before string) {
		if strings.Contains(before, "0penS3same") {
			return
		}
		got := string(agentconf.Redact([]byte(before + "\nserver {\n  encrypt = \"0penS3same\"\n}\n")))
		if strings.Contains(got, "0penS3same") {
			t.Errorf("the secret is still there:\n%s", got)
		}
	})
}

// TestRedactValue: a value is redacted by its setting's name, and a path of a chroot is none that is secret.
func TestRedactValue(t *testing.T) {
	for _, c := range []struct{ path, value, want string }{
		{"server.encrypt", `"abc"`, `"<redacted>"`},
		{"plugin.x.config.password", `"abc"`, `"<redacted>"`},
		{"acl.token_ttl", `"30s"`, `"30s"`},
		{`client.chroot_env."/etc/passwd"`, `"/etc/passwd"`, `"/etc/passwd"`},
		{`client.meta.token`, `"abc"`, `"<redacted>"`},
	} {
		if got := agentconf.RedactValue(c.path, c.value); got != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
}
