package catalogue

import (
	"fmt"

	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
)

// storageRights are the rights about variables and volumes.
func (i Ingredients) storageRights() []posture.Spec {
	var all []posture.Spec
	for _, rights := range [][]right{variableRights(), hostVolumeRights(), csiRights()} {
		all = append(all, i.denials(pki.Server, rights)...)
	}
	return all
}

// variableRights are tried at a variable that there is not, and writes only if it is at an index that it cannot be at.
func variableRights() []right {
	in := func(c string) string { return fmt.Sprintf("the capability %q of a namespace's variables", c) }
	const path = "/v1/var/" + noName
	return []right{
		{
			may: "search variables", needs: "any capability of a namespace's variables",
			at: "nomad/search_endpoint.go:695", severity: posture.Medium,
			ask: put("/v1/search?namespace=*", `{"Prefix":"`+noName+`","Context":"vars"}`),
		},
		{
			may: "read variables", needs: in("read"),
			at: "nomad/variables_endpoint.go:345", severity: posture.Critical,
			ask: get(path, "variable not found"),
		},
		{
			may: "write variables", needs: in("write"),
			at: "nomad/variables_endpoint.go:168", severity: posture.Critical,
			ask: put(path+"?cas="+noIndex, `{"Path":"`+noName+`","Items":{"nothing":"here"}}`, "409 Conflict"),
		},
		{
			may: "destroy variables", needs: in("destroy"),
			at: "nomad/variables_endpoint.go:168", severity: posture.High,
			ask: drop(path+"?cas="+noIndex, "409 Conflict"),
		},
	}
}

// volumeOfNoPool is a volume for a node pool that there is not.
const volumeOfNoPool = `{"Volume":{"Name":"` + noName + `","PluginID":"` + noName + `","NodePool":"` + noName + `",` +
	`"RequestedCapabilities":[{"AccessMode":"single-node-writer","AttachmentMode":"file-system"}]}}`

func hostVolumeRights() []right {
	return []right{
		{
			may: "read host volumes", needs: capability("host-volume-read"),
			at: "nomad/task_group_host_volume_claim_endpoint.go:43", severity: posture.Low,
			ask: get("/v1/volumes/claims"),
		},
		{
			may: "create host volumes", needs: capability("host-volume-create"),
			at: "nomad/host_volume_endpoint.go:206", severity: posture.High,
			ask: put("/v1/volume/host/create", volumeOfNoPool, "does not exist"),
		},
		{
			may: "register host volumes", needs: capability("host-volume-register"),
			at: "nomad/host_volume_endpoint.go:315", severity: posture.High,
			ask: put("/v1/volume/host/register", `{"Volume":{"Name":"`+noName+`"}}`, "node ID is required"),
		},
		{
			may: "delete host volumes", needs: capability("host-volume-delete"),
			at: "nomad/host_volume_endpoint.go:658", severity: posture.High,
			ask: drop("/v1/volume/host/"+noID, "no such volume"),
		},
	}
}

func csiRights() []right {
	return []right{
		{
			may: "list CSI volumes", needs: capability("csi-list-volume"),
			at: "nomad/csi_endpoint.go:71", severity: posture.Low,
			ask: get("/v1/volumes?type=csi"),
		},
		{
			may: "read CSI volumes", needs: capability("csi-read-volume"),
			at: "nomad/csi_endpoint.go:172", severity: posture.Low,
			ask: get("/v1/volume/csi/"+noName, "volume not found"),
		},
		{
			may: "remove CSI volumes", needs: capability("csi-write-volume"),
			at: "nomad/csi_endpoint.go:410", severity: posture.High,
			ask: drop("/v1/volume/csi/"+noName, "volume not found"),
		},
		{
			may: "list CSI plugins", needs: policy("plugin", "list"),
			at: "nomad/csi_endpoint.go:1759", severity: posture.Low,
			ask: get("/v1/plugins?type=csi"),
		},
		{
			may: "read CSI plugins", needs: policy("plugin", "read"),
			at: "nomad/csi_endpoint.go:1818", severity: posture.Low,
			ask: get("/v1/plugin/csi/"+noName, "plugin not found"),
		},
	}
}
