package main

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/spec"
)

// specFlags are the flags that say what a lab is to be. What is set explicitly wins over the file; what is not set does
// not touch it.
type specFlags struct {
	file             string
	name             string
	servers, clients int
	subnet, logLevel string
	hardened         bool
	mutation         string
	nomad            nomadFlags
}

// nomadFlags say which Nomad is to be run.
type nomadFlags struct{ version, image, binary string }

func (f *nomadFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.version, "nomad-version", "", "version of Nomad (default "+image.DefaultVersion+")")
	flags.StringVar(&f.image, "image", "", "use this container image of Nomad as it is")
	flags.StringVar(&f.binary, "nomad-binary", "", "use this nomad binary (in Docker a static one)")
	mustComplete(cmd, "nomad-version", fixed(image.Versions()...))
	mustComplete(cmd, "image", fixed())
}

func (f *specFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "file", "f", "", "read the lab from this YAML file, or from - (flags win over it)")
	flags.StringVar(&f.name, "name", "", `name of the lab (default "lab")`)
	flags.IntVar(&f.servers, "servers", 3, "servers of the first region")
	flags.IntVar(&f.clients, "clients", 2, "clients of the first region")
	flags.StringVar(&f.subnet, "subnet", "", "network in CIDR form, or a go-sockaddr template (default a free one)")
	flags.StringVar(&f.logLevel, "log-level", "", "the agents' log level (default INFO)")
	flags.BoolVar(&f.hardened, "hardened", false, "ACLs, introduced clients, no raw_exec")
	flags.StringVar(&f.mutation, "mutation", "", "have the lab, hardened, carry this mutation (mutate --list shows all)")
	f.nomad.add(cmd)
	mustComplete(cmd, "mutation", fixed(mutationIDs()...))
	mustComplete(cmd, "name", fixed())
	mustComplete(cmd, "log-level", fixed("TRACE", "DEBUG", "INFO", "WARN", "ERROR"))
}

// spec reads the file, if there is one, and lays the flags over it. The pack is what the lab carries of the table of mutations,
// and empty where it carries none.
func (f *specFlags) spec(cmd *cobra.Command) (spec.Spec, mutation.Pack, error) {
	d, err := f.read(cmd)
	if err != nil {
		return spec.Spec{}, mutation.Pack{}, err
	}
	s := d.Spec
	set := cmd.Flags().Changed
	var options []spec.Option
	if set("name") {
		options = append(options, spec.Name(f.name))
	}
	if set("servers") {
		options = append(options, spec.Servers(f.servers))
	}
	if set("clients") {
		options = append(options, spec.Clients(f.clients))
	}
	if set("subnet") {
		options = append(options, func(s *spec.Spec) { s.Subnet = f.subnet })
	}
	if set("log-level") {
		options = append(options, spec.LogLevel(f.logLevel))
	}
	if set("hardened") {
		options = append(options, func(s *spec.Spec) { s.Hardened = f.hardened })
	}
	s = s.With(options...)
	if s.Nomad, err = f.nomad.over(cmd, s.Nomad); err != nil {
		return s, mutation.Pack{}, err
	}
	if set("mutation") {
		d.Mutation = f.mutation
	}
	if d.Mutation == "" {
		return s, mutation.Pack{}, nil
	}
	if set("hardened") && !f.hardened {
		return s, mutation.Pack{}, usagef(cmd, "--mutation is carried by a hardened lab: leave --hardened=false out")
	}
	m, err := mutation.ByID(d.Mutation)
	if err != nil {
		return s, mutation.Pack{}, err
	}
	p, s, err := mutation.ForLab(s, m)
	return s, p, err
}

// mutationIDs are those that a lab can carry.
func mutationIDs() []string {
	var ids []string
	for _, m := range mutation.All() {
		if m.OfLab() == "" {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

func (f *specFlags) read(cmd *cobra.Command) (spec.Document, error) {
	switch f.file {
	case "":
		return spec.Document{}, nil
	case "-":
		return spec.DecodeDocument(cmd.Context(), cmd.InOrStdin())
	default:
		return spec.ReadDocument(cmd.Context(), f.file)
	}
}

// over replaces all that the file says about Nomad: an image that stayed beside a version would hide it.
func (f *nomadFlags) over(cmd *cobra.Command, file spec.Nomad) (spec.Nomad, error) {
	set, chosen := 0, file
	for flag, nomad := range map[string]spec.Nomad{
		"nomad-version": {Version: f.version},
		"image":         {Image: f.image},
		"nomad-binary":  {Binary: f.binary},
	} {
		if cmd.Flags().Changed(flag) {
			set, chosen = set+1, nomad
		}
	}
	if set > 1 {
		return file, usagef(cmd, "--nomad-version, --image and --nomad-binary exclude each other: set one of them")
	}
	return chosen, nil
}

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
