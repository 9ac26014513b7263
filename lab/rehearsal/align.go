package rehearsal

import (
	"path"
	"slices"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/spec"
)

// align returns both configurations with the same number of files, of the same base names in the same order: the command of an agent
// names its files, and a restart does not change it. A file that one side lacks says nothing there. The order of the files of each
// side stays, and so does what Nomad makes of them.
func align(from, to regress.Source) (regress.Source, regress.Source) {
	a, b := *from.Configuration, *to.Configuration
	for _, role := range []pki.Role{pki.Server, pki.Client} {
		x, y := alignFiles(a.Of(role).Files, b.Of(role).Files)
		if role == pki.Server {
			a.Server.Files, b.Server.Files = x, y
		} else {
			a.Client.Files, b.Client.Files = x, y
		}
	}
	from.Configuration, to.Configuration = &a, &b
	return from, to
}

// alignFiles returns both lists of files with the shortest list of names that has both in their order.
func alignFiles(a, b agentconf.Files) (x, y agentconf.Files) {
	if len(a) == 0 || len(b) == 0 {
		return a, b // a role that one side lacks is refused
	}
	common := inCommon(a, b)
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && common[i][j] > max(common[i+1][j], common[i][j+1]):
			x, y = append(x, a[i]), append(y, b[j])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			x, y = append(x, a[i]), append(y, silent(a[i]))
			i++
		default:
			x, y = append(x, silent(b[j])), append(y, b[j])
			j++
		}
	}
	return x, y
}

// inCommon returns, for each i and j, how many base names a[i:] and b[j:] have in common, in order.
func inCommon(a, b agentconf.Files) [][]int {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if path.Base(x.Name()) == path.Base(y.Name()) {
				common[i][j] = max(common[i][j], common[i+1][j+1]+1)
			}
		}
	}
	return common
}

// silent returns a file of the same name that says nothing.
func silent(f agentconf.File) agentconf.File {
	text := "# This file says nothing.\n"
	if path.Ext(f.Name()) == ".json" {
		text = "{}\n"
	}
	return agentconf.NewFile(f.Name(), []byte(text))
}

// configured returns the source with another configuration of a role.
func configured(s regress.Source, role pki.Role, change func(*spec.AgentConfiguration) error) (regress.Source, error) {
	c := *s.Configuration
	of := &c.Server
	if role == pki.Client {
		of = &c.Client
	}
	if err := change(of); err != nil {
		return s, err
	}
	s.Configuration = &c
	return s, nil
}
