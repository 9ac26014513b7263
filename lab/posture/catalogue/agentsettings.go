package catalogue

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// setting is a setting of an agent that matters where no request shows it: it decides what a job may do to the agent,
// or what happens within days. It is read from the agent's own account of itself, /v1/agent/self, which shows the
// configuration that the agent was started with. That is also what is in force, except in the tls block (verified
// against Nomad 1.11.3).
type setting struct {
	role     pki.Role
	id       string
	title    string
	severity posture.Severity
	why      string
	// settings are its path, and those of others without which it has no effect.
	settings []string
	// what names the unsafe value, as it follows "look for"; in finds it.
	what string
	in   finder[agentSelf]
}

// agentSelf is the part of /v1/agent/self that is read, by Nomad's names.
type agentSelf struct {
	Config struct {
		ACL struct {
			TokenTTL, PolicyTTL, TokenMaxExpirationTTL field[time.Duration]
		}
		Autopilot struct {
			CleanupDeadServers field[any] // null: it is not set
		}
		Client struct {
			TemplateConfig struct {
				DisableSandbox   field[bool]
				FunctionDenylist field[[]string]
			}
			Artifact struct {
				DisableFilesystemIsolation, DisableArtifactInspection field[bool]
				SetEnvironmentVariables                               field[string]
			}
		}
		Server struct {
			RootKeyRotationThreshold, RootKeyGCThreshold, RootKeyGCInterval field[string]
			ClientIntroduction                                              struct {
				Enforcement    field[string]
				MaxIdentityTTL field[time.Duration]
			}
		}
	} `json:"config"`
}

// field is a setting that the account may or may not contain. A version of Nomad that renames the setting must not
// look as if the setting had its zero value.
type field[T any] struct {
	present bool
	value   T
}

// UnmarshalJSON records that the setting is present, even if it is null.
func (f *field[T]) UnmarshalJSON(text []byte) error {
	f.present = true
	return json.Unmarshal(text, &f.value)
}

// agentSettings returns the checks of these settings. Their control finds that the account contains a configuration
// at all.
func (i Ingredients) agentSettings() []posture.Spec {
	var specs []posture.Spec
	for _, l := range append(clientSettings(), append(cacheSettings(), serverSettings()...)...) {
		self := func(search probe.AnswerSearch) maybeProbe {
			return i.privilegedCaller().sends(func(c probe.Caller) probe.Probe { return probe.HTTPSearch(get(selfPath), c, search) })
		}
		specs = append(specs, withProbes(posture.Spec{
			ID: l.id, Title: l.title, Kind: posture.Safe, Severity: l.severity, Roles: []pki.Role{l.role}, Settings: l.settings,
			Why: l.why + " (read from /v1/agent/self of Nomad 1.11.3)", Want: posture.Want{probe.Absent},
		},
			self(probe.AnswerSearch{For: l.what, In: inSelf(l.in)}),
			self(probe.AnswerSearch{For: "the account of a configuration", In: inSelf(func(a agentSelf) (bool, string, error) {
				return a.Config.ACL.TokenTTL.value > 0, "the agent's account of its configuration", nil
			})}),
		))
	}
	return specs
}

func inSelf(search finder[agentSelf]) func(http.Header, []byte) (bool, string, error) {
	return func(_ http.Header, body []byte) (bool, string, error) {
		var self agentSelf
		if err := json.Unmarshal(body, &self); err != nil {
			return false, "", errors.New("the account cannot be read")
		}
		return search(self)
	}
}

// valueOf returns a finder of a value for which unsafe holds. Its words are the setting and its value. Its error is
// that the account does not contain the setting.
func valueOf[T any](name string, of func(agentSelf) field[T], lax func(T) bool) finder[agentSelf] {
	return func(a agentSelf) (bool, string, error) {
		f := of(a)
		if !f.present {
			return false, "", fmt.Errorf("the account does not tell %s", name)
		}
		if any(f.value) == nil {
			return lax(f.value), name + " is not set", nil
		}
		return lax(f.value), fmt.Sprintf("%s = %v", name, f.value), nil
	}
}

// anyOf returns a finder that finds what one of the finders does.
func anyOf(searches ...finder[agentSelf]) finder[agentSelf] {
	return func(a agentSelf) (there bool, saw string, err error) {
		var all []string
		for _, search := range searches {
			found, words, err := search(a)
			if err != nil {
				return false, "", err
			}
			there, all = there || found, append(all, words)
		}
		return there, strings.Join(all, ", "), nil
	}
}

func isTrue(v bool) bool { return v }

func clientSettings() []setting {
	return []setting{
		{
			role: pki.Client, id: "client-templates-stay-in-the-task", title: "a client's templates read no file outside of the task",
			severity: posture.Critical, settings: []string{"client.template.disable_file_sandbox"},
			what: "client.template.disable_file_sandbox = true",
			why:  "a template would read the client's own key, or any other file that the agent may (client/allocrunner/taskrunner/template/template.go:714)",
			in:   valueOf("disable_file_sandbox", func(a agentSelf) field[bool] { return a.Config.Client.TemplateConfig.DisableSandbox }, isTrue),
		},
		{
			role: pki.Client, id: "client-templates-run-nothing", title: "a client's templates run no program and write no file",
			severity: posture.Critical, settings: []string{"client.template.function_denylist"},
			what: "a client.template.function_denylist without plugin or writeToFile",
			why:  "the functions plugin and writeToFile of a template act as the agent's own user (nomad#24541; client/config/config.go:77)",
			in: valueOf("function_denylist", func(a agentSelf) field[[]string] { return a.Config.Client.TemplateConfig.FunctionDenylist }, func(denied []string) bool {
				return !slices.Contains(denied, "plugin") || !slices.Contains(denied, "writeToFile")
			}),
		},
		{
			role: pki.Client, id: "client-isolates-downloads", title: "a client downloads artifacts in a sandbox of the file system",
			severity: posture.High, settings: []string{"client.artifact.disable_filesystem_isolation"},
			what: "client.artifact.disable_filesystem_isolation = true",
			why:  "a hostile archive or repository would write outside of the task (nomad#15328; client/allocrunner/taskrunner/getter)",
			in:   valueOf("disable_filesystem_isolation", func(a agentSelf) field[bool] { return a.Config.Client.Artifact.DisableFilesystemIsolation }, isTrue),
		},
		{
			role: pki.Client, id: "client-inspects-downloads", title: "a client looks for links that lead out of what it has downloaded",
			severity: posture.High, settings: []string{"client.artifact.disable_artifact_inspection"},
			what: "client.artifact.disable_artifact_inspection = true",
			why:  "a link in an archive would lead to any file of the client's (client/allocrunner/taskrunner/getter/sandbox.go)",
			in:   valueOf("disable_artifact_inspection", func(a agentSelf) field[bool] { return a.Config.Client.Artifact.DisableArtifactInspection }, isTrue),
		},
		{
			role: pki.Client, id: "client-hands-downloads-no-environment", title: "a client's downloads see no variable of its own environment",
			severity: posture.Medium, settings: []string{"client.artifact.set_environment_variables"},
			what: "a client.artifact.set_environment_variables",
			why:  "what a job names as its source may send them anywhere (nomad#15514; client/allocrunner/taskrunner/getter/sandbox.go:58)",
			in: valueOf("set_environment_variables", func(a agentSelf) field[string] { return a.Config.Client.Artifact.SetEnvironmentVariables },
				func(names string) bool { return names != "" }),
		},
	}
}

// maxCacheTTL is the longest time for which a client may use a cached token or policy. Nomad's default is 30 s.
const maxCacheTTL = 5 * time.Minute

func cacheSettings() []setting {
	long := func(ttl time.Duration) bool { return ttl > maxCacheTTL }
	return []setting{
		{
			role: pki.Client, id: "client-forgets-revoked-tokens", title: "a client forgets a token that was revoked within minutes",
			severity: posture.Medium, settings: []string{"acl.token_ttl"},
			what: "an acl.token_ttl of more than " + maxCacheTTL.String(),
			why:  "a client uses a cached token for that long, even after the token was deleted (client/acl.go, resolveTokenValue)",
			in:   valueOf("token_ttl", func(a agentSelf) field[time.Duration] { return a.Config.ACL.TokenTTL }, long),
		},
		{
			role: pki.Client, id: "client-forgets-withdrawn-policies", title: "a client forgets a policy that was withdrawn within minutes",
			severity: posture.Medium, settings: []string{"acl.policy_ttl"},
			what: "an acl.policy_ttl of more than " + maxCacheTTL.String(),
			why:  "a client uses a cached policy for that long, even after the policy was narrowed (client/acl.go, resolvePolicies)",
			in:   valueOf("policy_ttl", func(a agentSelf) field[time.Duration] { return a.Config.ACL.PolicyTTL }, long),
		},
	}
}
