package catalogue

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// header is a header of an HTTP answer that permits browsers or caches something unsafe.
type header struct {
	id, title string
	severity  posture.Severity
	name      string
	// unsafeValue is an example; isUnsafe reports whether another value is unsafe too.
	unsafeValue string
	isUnsafe    func(value string) bool
	why         string
	// preflight is true for a permission beyond reading, for which a browser sends a preflight request.
	preflight bool
}

// nomadsOwnExceptions lists the paths at which Nomad permits every site, whatever its configuration
// (command/agent/http.go:455-523, wrapCORS; verified against Nomad 1.11.3).
const nomadsOwnExceptions = ". Nomad itself lets pages of every site, with an ACL token, read at /v1/var/…, at /v1/vars and below /v1/client/ (stats, fs, " +
	"allocation, metadata, identity), and send PUT and DELETE at /v1/var/…, in every configuration; what they get there without a token is for ACLs to decide"

// headers returns the unsafe headers. Nomad sends none of them, except at a few paths of the web UI, and those that
// http_api_response_headers names (command/agent/http.go:893, setHeaders).
func headers() []header {
	const byCertificate = "; a browser that holds a client certificate sends it for every page that asks"
	is := func(wanted string) func(string) bool {
		return func(value string) bool { return strings.EqualFold(strings.TrimSpace(value), wanted) }
	}
	return []header{
		{
			"answers-for-no-other-site", "lets pages of no other site read its answers, except where Nomad always does", posture.Medium,
			"Access-Control-Allow-Origin", "*", func(value string) bool { return value != "" },
			"http_api_response_headers: with this header any page that an operator opens reads the API" + byCertificate + nomadsOwnExceptions, false,
		},
		{
			"takes-no-changes-from-other-sites", "lets pages of no other site change anything, except where Nomad always does", posture.Medium,
			"Access-Control-Allow-Methods", "GET, PUT, POST, DELETE", func(value string) bool {
				value = strings.ToUpper(value)
				return strings.Contains(value, "*") || strings.Contains(value, "PUT") || strings.Contains(value, "DELETE")
			},
			"http_api_response_headers: with this header a page of another site may send requests that register and stop jobs" + byCertificate + nomadsOwnExceptions, true,
		},
		{
			"takes-no-tokens-from-other-sites", "lets pages of no other site send an ACL token, except where Nomad always does", posture.Medium,
			"Access-Control-Allow-Headers", "X-Nomad-Token", func(value string) bool {
				return strings.Contains(value, "*") || strings.Contains(strings.ToLower(value), "x-nomad-token")
			},
			"http_api_response_headers: with this header a page of another site can try out or use ACL tokens from its visitor's network" + nomadsOwnExceptions, true,
		},
		{
			"gives-no-leave-into-its-network", "lets no public page into its private network", posture.Medium,
			"Access-Control-Allow-Private-Network", "true", is("true"),
			"http_api_response_headers: with this header a public page may reach an agent at a private address (WICG Private Network Access)", true,
		},
		{
			"answers-are-not-cached", "lets no shared cache keep its answers", posture.Medium,
			"Cache-Control", "public, max-age=3600", cacheable,
			"http_api_response_headers: a cache that stores an answer gives it to the next caller without a token; it may store what is public or has an age (RFC 9111, 3)", false,
		},
	}
}

// cacheable reports whether a shared cache may store an answer with that Cache-Control and give it to others. Nomad's
// token is in a header that caches do not know (RFC 9111, 3.5).
func cacheable(value string) bool {
	public, age, shared := false, "", ""
	for directive := range strings.SplitSeq(strings.ToLower(value), ",") {
		name, number, has := strings.Cut(strings.TrimSpace(directive), "=")
		switch number = strings.Trim(number, `"`); {
		case (name == "no-store" || name == "private" || name == "no-cache") && !has: // with a value it is of some headers alone
			return false
		case name == "public":
			public = true
		case name == "max-age":
			age = number
		case name == "s-maxage":
			shared = number
		}
	}
	if lasts := cmp.Or(shared, age); lasts != "" {
		return strings.Trim(lasts, "0") != ""
	}
	return public // for as long as the cache likes
}

// httpsAnswers returns the checks of the headers of answers, and of the profiler.
func (i Ingredients) httpsAnswers() []posture.Spec {
	return forBoth(func(pki.Role) []posture.Spec {
		all := []posture.Spec{withProbes(posture.Spec{
			ID: "https-has-no-profiler", Title: "HTTP API offers no profiler beside the one that ACLs guard",
			Kind: posture.Safe, Severity: posture.High,
			Settings: []string{"enable_debug"},
			Why:      "enable_debug: /debug/pprof asks for no ACL token, shows the command line and can keep the agent busy (command/agent/http.go:552)",
			Want:     posture.Want{probe.Denied},
			Answer:   "404",
		}, i.tokenlessCaller().sends(func(as probe.Caller) probe.Probe { return probe.HTTP("/debug/pprof/", as) }), i.tokenlessCaller().sends(getHealth))}
		for _, l := range headers() {
			search := func(as probe.Caller) probe.Probe {
				return probe.OtherOriginSearch(l.preflight, as, probe.AnswerSearch{
					For: "a header " + l.name + " that gives leave",
					In: func(h http.Header, _ []byte) (bool, string, error) {
						for _, value := range h.Values(l.name) {
							if l.isUnsafe(value) {
								return true, l.name + ": " + value, nil
							}
						}
						return false, fmt.Sprintf("%d headers, and none that gives this leave", len(h)), nil
					},
				})
			}
			all = append(all, withProbes(posture.Spec{
				ID: "https-" + l.id, Title: "HTTP API " + l.title,
				Kind: posture.Safe, Severity: l.severity, Why: l.why,
				Settings: []string{"http_api_response_headers." + l.name},
				Want:     posture.Want{probe.Absent},
			}, i.tokenlessCaller().sends(search), i.tokenlessCaller().atControlServer(answeringHeader(l.name, l.unsafeValue), getHealth, search)))
		}
		return all
	})
}
