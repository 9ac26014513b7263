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

// line is a line of an agent's configuration that matters where no request can show it: it decides what a job may do to the
// agent, or what happens in days. It is read from the agent's own account of itself, which tells what it was started with;
// of the tls block alone that is not what is in force (verified against Nomad 1.11.3).
type setting struct {
	role     pki.Role
	id       string
	title    string
	severity posture.Severity
	why      string
	// settings are the line, by its path, and others without which it does nothing.
	settings []string
	// lax says what is looked for, and where it is seen.
	what string
	in  func(agentSelf) (there bool, saw string, err error)
}

// agentSelf is the part of /v1/agent/self that is looked at, by Nomad's names.
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

// field is a line that an account may hold or not. Where a version of Nomad calls it by another name, its zero value would
// look like a good one for ever.
type field[T any] struct {
	present  bool
	value T
}

// UnmarshalJSON reads a line that is there, be it null.
func (f *field[T]) UnmarshalJSON(text []byte) error {
	f.present = true
	return json.Unmarshal(text, &f.value)
}

// agentLines are the checks of such lines. Their control looks for an account of a configuration at all, at the same place.
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

// inSelf reads the agent's account, and keeps of it what the look says alone.
func inSelf(search func(agentSelf) (bool, string, error)) func(http.Header, []byte) (bool, string, error) {
	return func(_ http.Header, body []byte) (bool, string, error) {
		var self agentSelf
		if err := json.Unmarshal(body, &self); err != nil {
			return false, "", errors.New("the account cannot be read")
		}
		return search(self)
	}
}

// told is a look whose words are the line and its value. Its error is that the account does not hold the line.
func valueOf[T any](name string, of func(agentSelf) field[T], lax func(T) bool) func(agentSelf) (bool, string, error) {
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

// either is a look that finds what one of them does.
func anyOf(searches ...func(agentSelf) (bool, string, error)) func(agentSelf) (bool, string, error) {
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
			why: "a template would read the client's own key, or any other file that the agent may (client/allocrunner/taskrunner/template/template.go:714)",
			in:  valueOf("disable_file_sandbox", func(a agentSelf) field[bool] { return a.Config.Client.TemplateConfig.DisableSandbox }, isTrue),
		},
		{
			role: pki.Client, id: "client-templates-run-nothing", title: "a client's templates run no program and write no file",
			severity: posture.Critical, settings: []string{"client.template.function_denylist"},
			what: "a client.template.function_denylist without plugin or writeToFile",
			why: "the functions plugin and writeToFile of a template act as the agent's own user (nomad#24541; client/config/config.go:77)",
			in: valueOf("function_denylist", func(a agentSelf) field[[]string] { return a.Config.Client.TemplateConfig.FunctionDenylist }, func(denied []string) bool {
				return !slices.Contains(denied, "plugin") || !slices.Contains(denied, "writeToFile")
			}),
		},
		{
			role: pki.Client, id: "client-isolates-downloads", title: "a client downloads artifacts in a sandbox of the file system",
			severity: posture.High, settings: []string{"client.artifact.disable_filesystem_isolation"},
			what: "client.artifact.disable_filesystem_isolation = true",
			why: "a hostile archive or repository would write outside of the task (nomad#15328; client/allocrunner/taskrunner/getter)",
			in:  valueOf("disable_filesystem_isolation", func(a agentSelf) field[bool] { return a.Config.Client.Artifact.DisableFilesystemIsolation }, isTrue),
		},
		{
			role: pki.Client, id: "client-inspects-downloads", title: "a client looks for links that lead out of what it has downloaded",
			severity: posture.High, settings: []string{"client.artifact.disable_artifact_inspection"},
			what: "client.artifact.disable_artifact_inspection = true",
			why: "a link in an archive would lead to any file of the client's (client/allocrunner/taskrunner/getter/sandbox.go)",
			in:  valueOf("disable_artifact_inspection", func(a agentSelf) field[bool] { return a.Config.Client.Artifact.DisableArtifactInspection }, isTrue),
		},
		{
			role: pki.Client, id: "client-hands-downloads-no-environment", title: "a client's downloads see no variable of its own environment",
			severity: posture.Medium, settings: []string{"client.artifact.set_environment_variables"},
			what: "a client.artifact.set_environment_variables",
			why: "what a job names as its source may send them anywhere (nomad#15514; client/allocrunner/taskrunner/getter/sandbox.go:58)",
			in: valueOf("set_environment_variables", func(a agentSelf) field[string] { return a.Config.Client.Artifact.SetEnvironmentVariables },
				func(names string) bool { return names != "" }),
		},
	}
}

// forgetful is the longest that a client may go by what it remembers of a token or a policy that is no more. Nomad's
// default is 30 s.
const maxCacheTTL = 5 * time.Minute

func cacheSettings() []setting {
	long := func(ttl time.Duration) bool { return ttl > maxCacheTTL }
	return []setting{
		{
			role: pki.Client, id: "client-forgets-revoked-tokens", title: "a client forgets a token that was revoked within minutes",
			severity: posture.Medium, settings: []string{"acl.token_ttl"},
			what: "an acl.token_ttl of more than " + maxCacheTTL.String(),
			why: "a client goes by what it remembers of a token for that long, also after the token was deleted (client/acl.go, resolveTokenValue)",
			in:  valueOf("token_ttl", func(a agentSelf) field[time.Duration] { return a.Config.ACL.TokenTTL }, long),
		},
		{
			role: pki.Client, id: "client-forgets-withdrawn-policies", title: "a client forgets a policy that was withdrawn within minutes",
			severity: posture.Medium, settings: []string{"acl.policy_ttl"},
			what: "an acl.policy_ttl of more than " + maxCacheTTL.String(),
			why: "a client goes by what it remembers of a policy for that long, also after the policy was narrowed (client/acl.go, resolvePolicies)",
			in:  valueOf("policy_ttl", func(a agentSelf) field[time.Duration] { return a.Config.ACL.PolicyTTL }, long),
		},
	}
}
