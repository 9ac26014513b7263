package catalogue

import (
	"crypto/x509"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"nomadlab.internal/lab/probe"
)

// Looks are the looks into answers' bodies, by what they are for.
func Searches() map[string]func(http.Header, []byte) (bool, string, error) {
	all := map[string]func(http.Header, []byte) (bool, string, error){
		"raw_exec": fromJSON(offeringRawExec), "drivers": fromJSON(listingDrivers), "life": lifeOver(0), "metrics": metricSearch("", "nomad.").In,
		"leader": leaderName(func(string) bool { return true }), "regions": fromJSON(func(r []string) (bool, string, error) { return len(r) > 0, "", nil }),
		"ready": ReadyAmong(probe.Target{Name: "a", Address: unusedAddress}),
		"ring":  ringSearch("", func([]string) (bool, string) { return false, "" }).In,
	}
	for _, l := range append(clientSettings(), append(cacheSettings(), serverSettings()...)...) {
		all[l.id] = inSelf(l.in)
	}
	return all
}

// StrangeAuthority is the look for an authority other than these.
func ForeignAuthority(all bool, own ...*x509.Certificate) probe.Search {
	return Ingredients{Authorities: own, AllAuthorities: all}.foreignAuthority("another-check")
}

// InChain is the look at an agent's certificate and its authorities, of the trait of that ID.
func InChain(id string, o probe.Observation, own ...*x509.Certificate) (bool, string) {
	i := Ingredients{Authorities: own}
	all := i.traits()
	return i.inChain(all[slices.IndexFunc(all, func(s trait) bool { return s.id == id })], o.Served)
}

// OtherRegion looks for the name of another region in the certificate of an agent of that one; empty: of any.
func OtherRegion(region string, c *x509.Certificate) (bool, string) {
	i := Ingredients{Region: region}
	if region != "" {
		i.Peers = map[string][]string{region: {"127.0.0.1:4647"}}
	}
	return i.otherRegion(c)
}

// DriversOf is the look for raw_exec among the drivers of a client in the servers' list.
func DriversOf(client probe.Target) func(http.Header, []byte) (bool, string, error) {
	return fromJSON(ofClient(client, offeringRawExec))
}

// ReadyAmong is the look for a client in the servers' list.
func ReadyAmong(client probe.Target) func(http.Header, []byte) (bool, string, error) {
	return fromJSON(readyAmong(client))
}

// VerifiedRequest is an entry of verifiedRequests.
type VerifiedRequest struct {
	probe.Ask
	probe.Effect
	Lines []string
}

// VerifiedRequests are those of HTTP.
func VerifiedRequests() []VerifiedRequest {
	var all []VerifiedRequest
	for _, v := range verifiedRequests() {
		if v.path == "" {
			continue
		}
		all = append(all, VerifiedRequest{
			Ask: probe.Ask{Method: v.method, Path: v.path, Body: v.body}, Effect: Verified(v.method, v.path, v.body), Lines: slices.Collect(maps.Values(v.on)),
		})
	}
	return all
}

// Verified is the class of a request as the catalogue sends it.
func Verified(method, path, body string) probe.Effect {
	return verified(probe.Ask{Method: method, Path: path, Body: body}).Effect()
}

// SeeksRegions is for tests.
var FindRegions = findRegions

// SeeksClient looks for the client among those that one of the servers calls ready.
func FindReadyClient(servers []probe.Target, as probe.Caller) probe.Probe {
	return Ingredients{Servers: servers}.findReadyClient(as)
}

// SeeksOtherLeader looks for a leader whom most of the servers do not name.
func FindOtherLeader(servers []probe.Target, as probe.Caller) probe.Probe {
	return Ingredients{Servers: servers}.findOtherLeader(as)
}

// Words are what people type where a key is wanted.
func Words() []string { return words() }

// Kept reports whether a shared cache may keep an answer.
func Cacheable(value string) bool { return cacheable(value) }

// Sooner is a probe that looks until it finds.
func UntilMeasured(p probe.Probe, reason string) probe.Probe {
	return untilMeasured(p, reason)
}

// Ruled says whether rules that are bound to a job reach beyond it: into other namespaces, and in its own.
func Reaches(rulesJSON, namespace, id string) (others, own bool, err error) {
	var r rules
	if err := json.Unmarshal([]byte(rulesJSON), &r); err != nil {
		return false, false, err
	}
	for _, g := range r.grants() {
		others, own = others || g.reachesBeyond(ownJob{namespace, id}), own || g.changesOwnNamespace(ownJob{namespace, id})
	}
	return others, own, nil
}

// LooksInto says whether rules that are bound to a job let it read what tasks of other namespaces write.
func ReadsOutputOfOthers(rulesJSON, namespace string) (bool, error) {
	var r rules
	if err := json.Unmarshal([]byte(rulesJSON), &r); err != nil {
		return false, err
	}
	return slices.ContainsFunc(r.grants(), func(g grant) bool { return g.readsOutputOfOthers(ownJob{namespace: namespace}) }), nil
}

// Suites are the cipher suites that checks know: of the weak ones the checks that refuse them.
func Suites() (weak map[uint16][]string, sound []uint16) {
	weak = map[uint16][]string{}
	for _, s := range weakSuites() {
		for _, suite := range s.suites {
			weak[suite] = append(weak[suite], s.id)
		}
	}
	return weak, soundSuites()
}

// Filtered is why there are no metrics to look for.
func Filtered(t probe.Target) string { return filtered(t) }

// HostMetric looks for a metric of the host in an agent's answer.
func HostMetric(body []byte) (found bool, said string, err error) {
	return metricSearch("metrics of the host", ofHost).In(nil, body)
}
