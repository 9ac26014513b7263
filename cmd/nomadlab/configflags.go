package main

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/spec"
)

// configFlags say where a user's own agent configuration is, and which Nomad is to read it.
type configFlags struct {
	paths regress.Paths
	nomad nomadFlags
}

func (f *configFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.paths.Server, "server-config", nil,
		"check your servers' configuration: a file or folder as for the agent's -config; may be repeated, the order counts")
	flags.StringSliceVar(&f.paths.Client, "client-config", nil, "your clients' configuration, likewise")
	flags.StringVar(&f.paths.TLS, "tls-dir", "", "folder of the files that your tls blocks name (default: certificates are made)")
	flags.StringVar(&f.paths.ServerTLS, "server-tls-dir", "", "the same for your servers, where each role has a folder of its own")
	flags.StringVar(&f.paths.ClientTLS, "client-tls-dir", "", "the same for your clients")
	f.nomad.add(cmd)
}

// given says whether a configuration is to be checked.
func (f *configFlags) given() bool {
	return len(f.paths.Server)+len(f.paths.Client) > 0 || f.paths.TLS+f.paths.ServerTLS+f.paths.ClientTLS != ""
}

// options are how configurations are judged.
func (f *configFlags) options(cmd *cobra.Command, e *engines.Set) (regress.Options, error) {
	nomad, err := f.nomad.over(cmd, spec.Nomad{})
	return regress.Options{Engine: e.Home(), Others: e.Others(), Nomad: nomad, Name: "check-" + random()}, err
}

// random is a name for a lab that somebody else may bring up at the same time.
func random() string {
	b := make([]byte, 3)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}
