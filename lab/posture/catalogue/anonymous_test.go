package catalogue_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/probe"
)

// policyServer is a server whose anonymous policy has the rules. It refuses requests for what they grant, unless
// answers says otherwise.
type policyServer struct {
	rules string
	// answers are the statuses and texts by the beginning of a path.
	answers map[string]answer

	mu sync.Mutex
	// asked are the requested paths.
	asked []string
}

type answer struct {
	status int
	text   string
}

func (p *policyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/v1/agent/health"):
		return
	case strings.HasPrefix(r.URL.Path, "/v1/acl/policy/anonymous"):
		_, _ = fmt.Fprintf(w, `{"RulesJSON":%s}`, p.rules)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, r.URL.EscapedPath()+"?namespace="+r.URL.Query().Get("namespace"))
	for path, a := range p.answers {
		if strings.HasPrefix(r.URL.Path, path) {
			http.Error(w, a.text, a.status)
			return
		}
	}
	http.Error(w, "Permission denied", http.StatusForbidden)
}

// tried returns the requested paths, in their order.
func (p *policyServer) tried() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// readsJobs returns rules that grant read-job in that many namespaces.
func readsJobs(namespaces int) string {
	var all []string
	for n := range namespaces {
		all = append(all, fmt.Sprintf(`{"Name":"team-%d","Capabilities":["read-job"]}`, n))
	}
	return `{"Namespaces":[` + strings.Join(all, ",") + `]}`
}

// TestGrantsOfTheAnonymousPolicyAreTried at the place where they grant, as another rule may deny there. A denied
// grant does not count, one that is let in does, and the text counts where a read shows nothing. Grants beyond the
// limit count untried.
func TestGrantsOfTheAnonymousPolicyAreTried(t *testing.T) {
	t.Parallel()
	const (
		reads, changes, variables = "server-anonymous-policy-reads-nothing", "server-anonymous-policy-changes-nothing", "server-anonymous-policy-opens-no-variables"
		jobs, secrets             = `{"Namespaces":[{"Name":"prod","Capabilities":["list-jobs","read-job"]}]}`, `{"Namespaces":[{"Name":"prod","Variables":{"Paths":[{"PathSpec":"a/b c","Capabilities":[%q]}]}}]}`
	)
	ofJobs := []string{"/v1/jobs?namespace=prod", "/v1/job/"}
	for name, test := range map[string]struct {
		check, rules string
		answers      map[string]answer
		want         finding.Result
		says         string
		tried        []string // how what is tried begins
	}{
		"denied":               {reads, jobs, nil, finding.Pass, `list-jobs for namespace "prod" (tried and denied); read-job for namespace "prod" (tried and denied)`, ofJobs},
		"one is let in":        {reads, jobs, map[string]answer{"/v1/job/": {404, "job not found"}}, finding.Fail, `read-job for namespace "prod" (tried and let in)`, ofJobs},
		"the other is":         {reads, jobs, map[string]answer{"/v1/jobs": {200, "[]"}}, finding.Fail, `list-jobs for namespace "prod" (tried and let in)`, ofJobs},
		"a failure":            {reads, jobs, map[string]answer{"/v1/jobs": {500, "no cluster leader"}}, finding.Fail, `list-jobs for namespace "prod" (by its text, as trying it gave `, ofJobs},
		"a pattern":            {reads, `{"Namespaces":[{"Name":"p*","Capabilities":["read-job"]}]}`, nil, finding.Fail, `read-job for namespace "p*" (by its text)`, nil},
		"no read tells":        {changes, `{"Namespaces":[{"Name":"prod","Capabilities":["submit-job"]}]}`, nil, finding.Fail, `submit-job for namespace "prod" (by its text)`, nil},
		"as many as are tried": {reads, readsJobs(12), nil, finding.Pass, `"team-11" (tried and denied)`, slices.Repeat([]string{"/v1/job/"}, 12)},
		"more than are tried":  {reads, readsJobs(13), nil, finding.Fail, `"team-11" (tried and denied); and 1 more`, slices.Repeat([]string{"/v1/job/"}, 12)},
		"a variable, denied":   {variables, fmt.Sprintf(secrets, "read"), nil, finding.Pass, `read for variables "prod" at "a/b c" (tried and denied)`, []string{"/v1/var/a/b%20c?namespace=prod"}},
		"a variable, let in": {
			variables, fmt.Sprintf(secrets, "read"), map[string]answer{"/v1/var/": {404, "variable not found"}}, finding.Fail,
			`read for variables "prod" at "a/b c" (tried and let in)`, []string{"/v1/var/a/b%20c?namespace=prod"},
		},
		"a variable, written": {variables, fmt.Sprintf(secrets, "write"), nil, finding.Fail, `write for variables "prod" at "a/b c" (by its text)`, nil},
		"one rule denies":     {reads, `{"Namespaces":[{"Name":"p*","Capabilities":["read-job"]},{"Name":"p*","Capabilities":["deny"]}]}`, nil, finding.Pass, "0 grants, 0 of them such", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &policyServer{rules: test.rules, answers: test.answers}
			s := httptest.NewServer(p)
			defer s.Close()
			f := check(t, minted(t), test.check).Evaluate(t.Context(), probe.Target{
				Name: "server-1", Role: pki.Server, Region: "global", HTTP: s.Listener.Addr().String(), HTTPPlaintext: true,
			})
			if f.Result != test.want {
				t.Errorf("%s because %s, want %s", f.Result, f.Reason, test.want)
			}
			if !slices.ContainsFunc(f.Evidence, func(e finding.Evidence) bool { return strings.Contains(e.Received, test.says) }) {
				t.Errorf("the evidence is %+v, want %q", f.Evidence, test.says)
			}
			tried := p.tried()
			if !slices.EqualFunc(tried, test.tried, strings.HasPrefix) {
				t.Errorf("tried: %q, want %q", tried, test.tried)
			}
		})
	}
}
