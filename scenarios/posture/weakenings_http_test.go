package posture_test

import "nomadlab.internal/lab/pki"

// weakenedHTTP are the lines that say what the HTTP API's answers give leave for, and what else it answers.
func weakenedHTTP() []weakening {
	all := []weakening{
		set(pki.Client, "host-metrics", "telemetry.publish_node_metrics", "true", "client-metrics-tell-nothing-of-the-host"),
	}
	for _, role := range roles() {
		header := func(id, name, value, broken string) weakening {
			return set(role, id, "http_api_response_headers."+name, value, broken)
		}
		for _, w := range []weakening{
			set(role, "profiler", "enable_debug", "true", "https-has-no-profiler"),
			header("other-sites", "Access-Control-Allow-Origin", `"*"`, "https-answers-for-no-other-site"),
			header("methods", "Access-Control-Allow-Methods", `"GET, PUT, POST, DELETE"`, "https-takes-no-changes-from-other-sites"),
			header("tokens", "Access-Control-Allow-Headers", `"X-Nomad-Token"`, "https-takes-no-tokens-from-other-sites"),
			header("private-network", "Access-Control-Allow-Private-Network", `"true"`, "https-gives-no-leave-into-its-network"),
			header("shared-cache", "Cache-Control", `"public, max-age=3600"`, "https-answers-are-not-cached"),
		} {
			all = append(all, w.at(role))
		}
	}
	return all
}
