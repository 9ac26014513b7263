package catalogue

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"

	"nomadlab.internal/lab/probe"
)

// verifiedRequest is a request that was verified to change nothing where it is permitted: with a management token, or
// with none where there are no ACLs. It is about exactly this method, path and body. Some add an entry to Raft's log
// that changes no state, as their line says.
type verifiedRequest struct {
	// method and path are as in probe.Request; path is empty for an RPC method. {id} in a path or body stands for an ID
	// of the sample job.
	method, path string
	// body is the body, or the arguments of an RPC call as JSON.
	body string
	// on has, by the version of Nomad for which that was verified, the line of its source at which the request ends.
	on map[string]string
}

// in1113 is the line of the source of Nomad 1.11.3 at which a request ends.
func in1113(line string) map[string]string { return map[string]string{"1.11.3": line} }

// verifiedRequests returns the requests beside reads that are sent to clusters that this program did not start. They
// are sent to the versions of Nomad that are listed here and to no other: another version may carry them out. For
// example, Nomad 1.4 to 1.8 rotates all keys when asked to with a time to publish them, versions below 1.4 bootstrap
// with an invalid secret, and 1.4 makes an evaluation for the deletion of a job that does not exist.
func verifiedRequests() []verifiedRequest {
	return slices.Concat(verifiedForJobs(), verifiedForCluster(), verifiedForStorage(), verifiedForClients(), verifiedForSampleJob(), verifiedCalls())
}

func verifiedForJobs() []verifiedRequest {
	named := `{"JobID":"` + noName + `"}`
	return []verifiedRequest{
		{http.MethodPut, "/v1/jobs", registration, in1113("nomad/job_endpoint.go:239: not at that index, as it does not exist")},
		{http.MethodPut, "/v1/jobs/parse", `{"JobHCL":"job \"` + noName + `\" {}"}`, in1113("command/agent/job_endpoint.go:968: parsed and answered, not kept")},
		{http.MethodPut, job("/plan"), `{"Job":` + noJob + `}`, in1113("nomad/job_endpoint.go:1822: planned in a snapshot of the state, with a planner in memory")},
		{http.MethodPut, job("/revert"), `{"JobID":"` + noName + `","JobVersion":1}`, in1113("nomad/job_endpoint.go:590: no such job")},
		{http.MethodDelete, job(""), "", in1113("nomad/job_endpoint.go:835: no such job, and no evaluation")},
		{http.MethodDelete, job("?purge=true"), "", in1113("nomad/job_endpoint.go:835: no such job, and no evaluation")},
		{http.MethodPut, job("/evaluate"), named, in1113("nomad/job_endpoint.go:726: no such job")},
		{http.MethodDelete, job("/versions/" + noName + "/tag"), "", in1113("nomad/state/state_store.go:4901, behind Raft: no such tag, the transaction is aborted")},
		{http.MethodPut, job("/stable"), `{"JobID":"` + noName + `","JobVersion":0,"Stable":true}`, in1113("nomad/job_endpoint.go:673: no such job")},
		{http.MethodPut, job("/scale"), `{"Count":1,"Target":{"Group":"g"}}`, in1113("nomad/job_endpoint.go:995: no such job")},
		{http.MethodPut, job("/dispatch"), `{}`, in1113("nomad/job_endpoint.go:2039: no such job")},
		{http.MethodPut, job("/periodic/force"), "", in1113("nomad/periodic_endpoint.go:69: no such job")},
		{http.MethodDelete, "/v1/service/" + noName + "/" + noID, "", in1113("nomad/state/state_store_service_registration.go:108, behind Raft: no such service, the transaction is aborted")},
	}
}

func verifiedForCluster() []verifiedRequest {
	return []verifiedRequest{
		{http.MethodPut, "/v1/node/" + noID + "/eligibility", `{"Eligibility":"ineligible"}`, in1113("nomad/node_endpoint.go:1084: no such node")},
		{http.MethodPut, "/v1/search?" + stale, `{"Prefix":"` + noName + `","Context":"node_pools"}`, in1113("nomad/search_endpoint.go:585: a search")},
		{http.MethodPut, "/v1/node/pool/default", `{"Name":"default"}`, in1113("nomad/node_pool_endpoint.go:208: a pool that is built in")},
		{http.MethodDelete, "/v1/node/pool/" + noName, "", in1113("nomad/state/state_store_node_pools.go:203, behind Raft: no such pool, the transaction is aborted")},
		{http.MethodPut, "/v1/agent/schedulers/config", `{"num_schedulers":-1}`, in1113("command/agent/agent_endpoint.go:948: no number of schedulers")},
		{http.MethodPut, "/v1/operator/scheduler/configuration?cas=" + noIndex, `{"SchedulerAlgorithm":"binpack"}`, in1113("nomad/state/state_store.go:6763, behind Raft: not at that index, the transaction is aborted")},
		{http.MethodPut, "/v1/operator/keyring/rotate?full=true&publish_time=1", "", in1113("nomad/keyring_endpoint.go:55: both at once")},
		{http.MethodDelete, "/v1/operator/keyring/key/" + noID, "", in1113("nomad/keyring_endpoint.go:350: no such key")},
		{http.MethodPost, "/v1/acl/bootstrap", `{"BootstrapSecret":"` + noName + `"}`, in1113("nomad/acl_endpoint.go:499: the secret is no UUID")},
		{http.MethodPut, "/v1/acl/token", tokenOfNoType(tooLongLife), in1113("nomad/acl_endpoint.go:652: no such type of a token (nomad/structs/acl.go:769)")},
		{http.MethodPut, "/v1/acl/token", tokenOfNoType(shortLife), in1113("nomad/acl_endpoint.go:652: no such type of a token (nomad/structs/acl.go:769)")},
	}
}

func verifiedForStorage() []verifiedRequest {
	return []verifiedRequest{
		{http.MethodPut, "/v1/search?namespace=*&" + stale, `{"Prefix":"` + noName + `","Context":"vars"}`, in1113("nomad/search_endpoint.go:585: a search")},
		{http.MethodPut, "/v1/var/" + noName + "?cas=" + noIndex, `{"Path":"` + noName + `","Items":{"nothing":"here"}}`, in1113("nomad/state/state_store_variables.go:175, behind Raft: not at that index, the transaction is aborted")},
		{http.MethodDelete, "/v1/var/" + noName + "?cas=" + noIndex, "", in1113("nomad/state/state_store_variables.go:361, behind Raft: not at that index, the transaction is aborted")},
		{http.MethodPut, "/v1/volume/host/create", volumeOfNoPool, in1113("nomad/host_volume_endpoint.go:240: no such node pool")},
		{http.MethodPut, "/v1/volume/host/register", `{"Volume":{"Name":"` + noName + `"}}`, in1113("nomad/host_volume_endpoint.go:338: no node is named")},
		{http.MethodDelete, "/v1/volume/host/" + noID, "", in1113("nomad/host_volume_endpoint.go:683: no such volume")},
		{http.MethodDelete, "/v1/volume/csi/" + noName, "", in1113("nomad/state/state_store.go:2928, behind Raft: no such volume, the transaction is aborted")},
	}
}

// verifiedForClients returns the requests that a client answers itself.
func verifiedForClients() []verifiedRequest {
	return []verifiedRequest{
		{http.MethodPut, "/v1/agent/servers?address=127.0.0.1:" + noName, "", in1113("client/client.go:1307: an address without a port, and no other is offered")},
		{http.MethodPost, "/v1/client/metadata", `{}`, in1113("client/meta_endpoint.go:34: no metadata")},
	}
}

// verifiedForSampleJob returns the requests about the sample job, which runs in labs alone.
func verifiedForSampleJob() []verifiedRequest {
	const alloc, deployment = "/v1/client/allocation/{id}", `{"DeploymentID":"{id}"`
	return []verifiedRequest{
		{http.MethodPut, alloc + "/restart", `{"TaskName":"` + noName + `","AllTasks":true}`, in1113("client/client.go:1122: a task and all tasks at once")},
		{http.MethodPut, alloc + "/gc", "", in1113("client/alloc_endpoint.go:72: it runs")},
		{http.MethodPut, alloc + "/pause", `{"Task":"` + noName + `","ScheduleState":"pause"}`, in1113("client/allocrunner/alloc_runner_ce.go:16: no part of this edition")},
		{http.MethodPut, "/v1/deployment/fail/{id}", deployment + `}`, in1113("nomad/deployment_endpoint.go:142: it is over")},
		{http.MethodPut, "/v1/deployment/pause/{id}", deployment + `,"Pause":true}`, in1113("nomad/deployment_endpoint.go:193: it is over")},
		{http.MethodPut, "/v1/deployment/promote/{id}", deployment + `,"All":true}`, in1113("nomad/deployment_endpoint.go:246: it is over")},
		{http.MethodPut, "/v1/deployment/unblock/{id}", deployment + `}`, in1113("nomad/deployment_endpoint.go:346: it is over")},
		{http.MethodPut, "/v1/deployment/allocation-health/{id}", deployment + `,"HealthyAllocationIDs":["{id}"]}`, in1113("nomad/deployment_endpoint.go:451: it is over")},
	}
}

// verifiedCalls returns the RPC calls.
func verifiedCalls() []verifiedRequest {
	return []verifiedRequest{
		{"Node.Register", "", `{"Node":{"Attributes":{"kernel.name":"linux"},"Datacenter":"dc1","ID":"` + noID + `","Name":"` + noName +
			`","NodePool":"default","SecretID":"` + noName + `","Status":"initializing"}}`, in1113("nomad/state/state_store.go:1040, behind Raft: the secret is no UUID, the transaction is aborted")},
		{"Allocations.Exec", "", `{"AllocID":"{id}","Cmd":["true"]}`, in1113("client/alloc_endpoint.go:296: no task is named")},
	}
}

// verified returns the request with its class: refused without effect on the versions that verifiedRequests lists for
// it, if any.
func verified(a probe.Request) probe.Request {
	return a.WithoutEffectOn(verifiedOn(cmp.Or(a.Method, http.MethodGet), a.Path, a.Body)...)
}

// verifiedCall is verified for an RPC call.
func verifiedCall(c probe.Call) probe.Call {
	arguments, err := json.Marshal(c.Args)
	if err != nil {
		return c // it stays what changes something
	}
	return c.WithoutEffectOn(verifiedOn(c.Method, "", string(arguments))...)
}

// verifiedOn returns the versions for which the request was verified, sorted.
func verifiedOn(method, path, body string) []string {
	of := func(path, body string) []string {
		for _, v := range verifiedRequests() {
			if v.method == method && v.path == path && v.body == body {
				return slices.Sorted(maps.Keys(v.on))
			}
		}
		return nil
	}
	if on := of(path, body); on != nil {
		return on
	}
	id := regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	return of(id.ReplaceAllString(path, "{id}"), id.ReplaceAllString(body, "{id}"))
}
