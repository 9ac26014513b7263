package catalogue

import (
	"crypto/x509"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"nomadlab.internal/lab/probe"
)

// Searches returns the finders for answers' bodies, by what they search for.
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

// ForeignAuthority returns the search for an authority other than these.
func ForeignAuthority(all bool, own ...*x509.Certificate) probe.Search {
	return Ingredients{Authorities: own, AllAuthorities: all}.foreignAuthority("another-check")
}

// InChain looks for the trait of that ID in an agent's certificate and its authorities.
func InChain(id string, o probe.Observation, own ...*x509.Certificate) (bool, string) {
	i := Ingredients{Authorities: own}
	all := i.traits()
	return i.inChain(all[slices.IndexFunc(all, func(s trait) bool { return s.id == id })], o.Served)
}

// OtherRegion looks for the name of another region in the certificate of an agent of that region; empty: of any.
func OtherRegion(region string, c *x509.Certificate) (bool, string) {
	i := Ingredients{Region: region}
	if region != "" {
		i.Peers = map[string][]string{region: {"127.0.0.1:4647"}}
	}
	return i.otherRegion(c)
}

// DriversOf returns the finder of raw_exec among the drivers of a client in a server's list.
func DriversOf(client probe.Target) func(http.Header, []byte) (bool, string, error) {
	return fromJSON(ofClient(client, offeringRawExec))
}

// ReadyAmong returns the finder of a client in a server's list.
func ReadyAmong(client probe.Target) func(http.Header, []byte) (bool, string, error) {
	return fromJSON(readyAmong(client))
}

// VerifiedRequest is an entry of verifiedRequests.
type VerifiedRequest struct {
	probe.Request
	probe.Effect
	Lines []string
}

// VerifiedRequests returns the verified HTTP requests.
func VerifiedRequests() []VerifiedRequest {
	var all []VerifiedRequest
	for _, v := range verifiedRequests() {
		if v.path == "" {
			continue
		}
		all = append(all, VerifiedRequest{
			Request: probe.Request{Method: v.method, Path: v.path, Body: v.body}, Effect: Verified(v.method, v.path, v.body), Lines: slices.Collect(maps.Values(v.on)),
		})
	}
	return all
}

// Verified returns the class of a request as the catalogue sends it.
func Verified(method, path, body string) probe.Effect {
	return verified(probe.Request{Method: method, Path: path, Body: body}).Effect()
}

// FindRegions finds the regions of which a client learned.
var FindRegions = findRegions

// FindReadyClient finds the client among those that one of the servers lists as ready.
func FindReadyClient(servers []probe.Target, as probe.Caller) probe.Probe {
	return Ingredients{Servers: servers}.findReadyClient(as)
}

// FindOtherLeader finds a leader that most of the servers do not name.
func FindOtherLeader(servers []probe.Target, as probe.Caller) probe.Probe {
	return Ingredients{Servers: servers}.findOtherLeader(as)
}

// Words returns the words that people type in place of a key.
func Words() []string { return words() }

// Cacheable reports whether a shared cache may keep an answer.
func Cacheable(value string) bool { return cacheable(value) }

// UntilMeasured repeats a probe while it fails for the reason.
func UntilMeasured(p probe.Probe, reason string) probe.Probe {
	return untilMeasured(p, reason)
}

// Reaches reports whether rules that are bound to a job reach beyond its namespace, and whether they change its own.
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

// ReadsOutputOfOthers reports whether rules that are bound to a job read what tasks of other namespaces write.
func ReadsOutputOfOthers(rulesJSON, namespace string) (bool, error) {
	var r rules
	if err := json.Unmarshal([]byte(rulesJSON), &r); err != nil {
		return false, err
	}
	return slices.ContainsFunc(r.grants(), func(g grant) bool { return g.readsOutputOfOthers(ownJob{namespace: namespace}) }), nil
}

// Suites returns the cipher suites of the checks, the weak ones with the checks that refuse them.
func Suites() (weak map[uint16][]string, sound []uint16) {
	weak = map[uint16][]string{}
	for _, s := range weakSuites() {
		for _, suite := range s.suites {
			weak[suite] = append(weak[suite], s.id)
		}
	}
	return weak, soundSuites()
}

// Filtered returns why there are no metrics to search.
func Filtered(t probe.Target) string { return filtered(t) }

// HostMetric searches an agent's answer for a metric of the host.
func HostMetric(body []byte) (found bool, said string, err error) {
	return metricSearch("metrics of the host", ofHost).In(nil, body)
}
