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
	// id begins with the role of its agents.
	id, title string
	severity  posture.Severity
	why       string
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
		role, _, _ := strings.Cut(l.id, "-")
		self := func(search probe.AnswerSearch) maybeProbe {
			return i.privilegedCaller().sends(func(c probe.Caller) probe.Probe { return probe.HTTPSearch(get(selfPath), c, search) })
		}
		specs = append(specs, withProbes(posture.Spec{
			ID: l.id, Title: l.title, Kind: posture.Safe, Severity: l.severity, Roles: []pki.Role{pki.Role(role)}, Settings: l.settings,
			Why: l.why + " (read from /v1/agent/self of Nomad 1.11.3)", Want: posture.Want{probe.Absent}},
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
		{"client-templates-stay-in-the-task", "a client's templates read no file outside of the task", posture.Critical,
			"a template would read the client's own key, or any other file that the agent may (client/allocrunner/taskrunner/template/template.go:714)",
			[]string{"client.template.disable_file_sandbox"}, "client.template.disable_file_sandbox = true",
			valueOf("disable_file_sandbox", func(a agentSelf) field[bool] { return a.Config.Client.TemplateConfig.DisableSandbox }, isTrue)},
		{"client-templates-run-nothing", "a client's templates run no program and write no file", posture.Critical,
			"the functions plugin and writeToFile of a template act as the agent's own user (nomad#24541; client/config/config.go:77)",
			[]string{"client.template.function_denylist"}, "a client.template.function_denylist without plugin or writeToFile",
			valueOf("function_denylist", func(a agentSelf) field[[]string] { return a.Config.Client.TemplateConfig.FunctionDenylist }, func(denied []string) bool {
				return !slices.Contains(denied, "plugin") || !slices.Contains(denied, "writeToFile")
			})},
		{"client-isolates-downloads", "a client downloads artifacts in a sandbox of the file system", posture.High,
			"a hostile archive or repository would write outside of the task (nomad#15328; client/allocrunner/taskrunner/getter)",
			[]string{"client.artifact.disable_filesystem_isolation"}, "client.artifact.disable_filesystem_isolation = true",
			valueOf("disable_filesystem_isolation", func(a agentSelf) field[bool] { return a.Config.Client.Artifact.DisableFilesystemIsolation }, isTrue)},
		{"client-inspects-downloads", "a client looks for links that lead out of what it has downloaded", posture.High,
			"a link in an archive would lead to any file of the client's (client/allocrunner/taskrunner/getter/sandbox.go)",
			[]string{"client.artifact.disable_artifact_inspection"}, "client.artifact.disable_artifact_inspection = true",
			valueOf("disable_artifact_inspection", func(a agentSelf) field[bool] { return a.Config.Client.Artifact.DisableArtifactInspection }, isTrue)},
		{"client-hands-downloads-no-environment", "a client's downloads see no variable of its own environment", posture.Medium,
			"what a job names as its source may send them anywhere (nomad#15514; client/allocrunner/taskrunner/getter/sandbox.go:58)",
			[]string{"client.artifact.set_environment_variables"}, "a client.artifact.set_environment_variables",
			valueOf("set_environment_variables", func(a agentSelf) field[string] { return a.Config.Client.Artifact.SetEnvironmentVariables },
				func(names string) bool { return names != "" })},
	}
}

// maxCacheTTL is the longest time for which a client may use a cached token or policy. Nomad's default is 30 s.
const maxCacheTTL = 5 * time.Minute

func cacheSettings() []setting {
	long := func(ttl time.Duration) bool { return ttl > maxCacheTTL }
	return []setting{
		{"client-forgets-revoked-tokens", "a client forgets a token that was revoked within minutes", posture.Medium,
			"a client uses a cached token for that long, even after the token was deleted (client/acl.go, resolveTokenValue)",
			[]string{"acl.token_ttl"}, "an acl.token_ttl of more than " + maxCacheTTL.String(),
			valueOf("token_ttl", func(a agentSelf) field[time.Duration] { return a.Config.ACL.TokenTTL }, long)},
		{"client-forgets-withdrawn-policies", "a client forgets a policy that was withdrawn within minutes", posture.Medium,
			"a client uses a cached policy for that long, even after the policy was narrowed (client/acl.go, resolvePolicies)",
			[]string{"acl.policy_ttl"}, "an acl.policy_ttl of more than " + maxCacheTTL.String(),
			valueOf("policy_ttl", func(a agentSelf) field[time.Duration] { return a.Config.ACL.PolicyTTL }, long)},
	}
}
