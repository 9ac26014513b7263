package vault_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/syslog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nomadlab.internal/lab/authority/vault"
	"nomadlab.internal/lab/image"
)

// shell runs lines as a user of the guide does.
type shell struct {
	folder      string
	environment []string
}

// newShell returns a shell in which vault, nomad and consul-template are the real ones, and nothing else of this machine is found.
func newShell(t *testing.T, environment ...string) shell {
	t.Helper()
	folder := t.TempDir()
	binary, err := vaultBinary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	programs := map[string]string{"vault": binary, "nomad": part(t, image.Nomad), "consul-template": part(t, image.ConsulTemplate)}
	for _, name := range []string{"sh", "true"} {
		if programs[name], err = exec.LookPath(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, path := range programs {
		if err := os.MkdirAll(filepath.Join(folder, "bin"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(folder, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	return shell{folder, append([]string{"HOME=" + folder, "PATH=" + filepath.Join(folder, "bin")}, environment...)}
}

// run returns what a line prints, and an error if it fails.
func (s shell) run(t *testing.T, line string) (stdout, all string, err error) {
	t.Helper()
	command := exec.CommandContext(within(t), filepath.Join(s.folder, "bin", "sh"), "-c", line)
	command.Dir, command.Env = s.folder, s.environment
	var out, errors strings.Builder
	command.Stdout, command.Stderr = &out, &errors
	err = command.Run()
	return out.String(), out.String() + errors.String(), err
}

// throughJQ is the end of those of the guide's lines that take one field of an answer in JSON.
var throughJQ = regexp.MustCompile(`^(.*) \| jq -r '\.data\.(\w+)' > (\S+)$`)

// runLine runs a line of the guide, with what the guide's reader has at that point.
func (s shell) runLine(t *testing.T, line string, k vault.Keys) (stdout string, err error) {
	t.Helper()
	if line == "vault operator unseal" {
		line += " " + k.Unseal.Reveal() // it asks for the key at a terminal
	}
	line = strings.Replace(line, "<your initial root token>", k.Root.Reveal(), 1)
	field := throughJQ.FindStringSubmatch(line)
	if field == nil {
		stdout, all, err := s.run(t, line)
		if err != nil {
			return stdout, fmt.Errorf("%w: %s", err, all)
		}
		return stdout, nil
	}
	stdout, all, err := s.run(t, field[1])
	if err != nil {
		return stdout, fmt.Errorf("%w: %s", err, all)
	}
	var answer struct{ Data map[string]any }
	if err := json.Unmarshal([]byte(stdout), &answer); err != nil {
		return stdout, err
	}
	return stdout, os.WriteFile(filepath.Join(s.folder, field[3]), []byte(fmt.Sprintln(answer.Data[field[2]])), 0o600)
}

// TestTheGuidesLinesOfVault runs each on a new Vault, in their order.
func TestTheGuidesLinesOfVault(t *testing.T) {
	published(t)
	binary, err := vaultBinary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := startServer(within(t), binary, filepath.Join(t.TempDir(), "vault"), true)
	if s != nil {
		t.Cleanup(s.stop)
	}
	if err != nil {
		t.Fatal(err)
	}
	sh := newShell(t, "VAULT_ADDR="+s.address)
	const policy = "path \"pki_int/issue/nomad-cluster\" {\n  capabilities = [\"update\"]\n}\n"
	if err := os.WriteFile(filepath.Join(sh.folder, "tls-policy.hcl"), []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	var keys vault.Keys
	ran := 0
	for _, l := range vault.GuideLines() {
		if !strings.HasPrefix(l.Line, "vault ") {
			continue
		}
		ran++
		stdout, err := sh.runLine(t, l.Line, keys)
		if works := err == nil; works != l.Works {
			t.Errorf("%s: works %t, want %t: %v", l.Line, works, l.Works, err)
		}
		for printed := range strings.SplitSeq(stdout, "\n") {
			if key, is := strings.CutPrefix(printed, "Unseal Key 1: "); is {
				keys.Unseal = vault.NewSecret(key)
			}
			if token, is := strings.CutPrefix(printed, "Initial Root Token: "); is {
				keys.Root = vault.NewSecret(token)
			}
		}
	}
	if ran != 14 {
		t.Errorf("%d lines ran", ran)
	}
	if _, all, err := sh.run(t, "vault write pki_int/issue/nomad-cluster common_name=server.global.nomad ttl=24h"); err != nil || !strings.Contains(all, "BEGIN CERTIFICATE") {
		t.Errorf("after all lines, no certificate: %v", err)
	}
	if _, all, err := sh.run(t, "vault write pki_int/issue/nomad-cluster common_name=server.example.com ttl=24h"); err == nil || !strings.Contains(all, "not allowed by this role") {
		t.Errorf("control: another domain: %v", err)
	}
}

// TestTheGuidesLinesOfConsulTemplate runs each that does not work, and the same configuration without it.
func TestTheGuidesLinesOfConsulTemplate(t *testing.T) {
	published(t)
	listening, err := syslog.New(syslog.LOG_LOCAL5, "nomadlab")
	hasSyslog := err == nil
	if hasSyslog {
		_ = listening.Close() // nothing was sent
	}
	for line, c := range map[string]struct {
		config, without, says string
		worksHere             bool
	}{
		`grace        = "1s"`:                             {"vault {\n  grace = \"1s\"\n}\n", "vault {\n}\n", "'vault' has invalid keys: grace", false},
		"syslog { enabled = true facility = \"LOCAL5\" }": {"syslog {\n  enabled = true\n  facility = \"LOCAL5\"\n}\n", "", "error setting up syslog logger", hasSyslog},
		`command     = "systemctl reload nomad"`: {"template {\n  contents = \"a\"\n  destination = \"a\"\n  command = \"systemctl reload nomad\"\n}\n",
			"template {\n  contents = \"a\"\n  destination = \"a\"\n  command = \"true\"\n}\n", "failed to execute command", false},
	} {
		t.Run(line, func(t *testing.T) {
			at := slices.IndexFunc(vault.GuideLines(), func(l vault.GuideLine) bool { return l.Line == line })
			if at < 0 || vault.GuideLines()[at].Works || vault.GuideLines()[at].Today == "" {
				t.Fatal("the table lacks the line, or has nothing to write instead")
			}
			for config, works := range map[string]bool{c.config: c.worksHere, c.without: true} {
				sh := newShell(t)
				const always = "template {\n  contents = \"b\"\n  destination = \"b\"\n}\n"
				if err := os.WriteFile(filepath.Join(sh.folder, "ct.hcl"), []byte(config+always), 0o600); err != nil {
					t.Fatal(err)
				}
				_, all, err := sh.run(t, "consul-template -once -config ct.hcl")
				if (err == nil) != works || !works && !strings.Contains(all, c.says) {
					t.Errorf("%q: %v, want it to work: %t\n%s", config, err, works, all)
				}
			}
		})
	}
}

func TestTheGuidesLinesOfNomad(t *testing.T) {
	published(t)
	sh := newShell(t)
	at := slices.IndexFunc(vault.GuideLines(), func(l vault.GuideLine) bool { return l.Line == "nomad operator keygen" })
	if at < 0 || vault.GuideLines()[at].Works {
		t.Fatal("the table lacks the line, or says that it works")
	}
	line := vault.GuideLines()[at]
	if _, all, err := sh.run(t, line.Line); err == nil || !strings.Contains(all, "Usage: nomad operator <subcommand>") {
		t.Errorf("%s: %v: %s", line.Line, err, all)
	}
	stdout, _, err := sh.run(t, line.Today)
	key, decodeErr := base64.StdEncoding.DecodeString(strings.TrimSpace(stdout))
	if err != nil || decodeErr != nil || len(key) != 32 {
		t.Errorf("%s: %v, %v, a key of %d bytes", line.Today, err, decodeErr, len(key))
	}
}
