package main

import (
	"crypto/rand"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/mutation"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/spec"
)

// specFlags are the flags that describe a lab. A flag that is set wins over the file; one that is not set changes nothing.
type specFlags struct {
	file             string
	name             string
	servers, clients int
	subnet, logLevel string
	hardened         bool
	mutation         string
	nodeVersions     []string
	nomad            nomadFlags
	authority        authorityFlags
}

// authorityFlags say where certificates come from.
type authorityFlags struct{ source, password, vault, consulTemplate string }

// nomadFlags say which Nomad to run.
type nomadFlags struct{ version, image, binary string }

func (f *nomadFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.version, "nomad-version", "", "version of Nomad (default "+image.DefaultVersion+")")
	mustComplete(cmd, "nomad-version", fixed(image.Nomad.Versions()...))
	f.addSources(cmd)
}

// addSources adds the flags for a Nomad of the user's own.
func (f *nomadFlags) addSources(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.image, "image", "", "use this container image of Nomad, and pull it if it is missing")
	cmd.Flags().StringVar(&f.binary, "nomad-binary", "", "use this nomad binary (with Docker a static one)")
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
	flags.BoolVar(&f.hardened, "hardened", false, "ACLs, client introduction, no raw_exec")
	flags.StringVar(&f.mutation, "mutation", "", "make the lab a hardened one that carries this mutation (mutate --list shows all)")
	flags.StringSliceVar(&f.nodeVersions, "node-version", nil, "version of Nomad on one node, as in server-1=1.10.5, or on several")
	f.authority.add(cmd)
	f.nomad.add(cmd)
	mustComplete(cmd, "node-version", fixed())
	mustComplete(cmd, "mutation", fixed(mutationIDs()...))
	mustComplete(cmd, "name", fixed())
	mustComplete(cmd, "log-level", fixed("TRACE", "DEBUG", "INFO", "WARN", "ERROR"))
}

// spec reads the file, if one is named, and applies the flags. The pack holds the lab's mutation, or nothing.
func (f *specFlags) spec(cmd *cobra.Command) (spec.Spec, mutation.Pack, error) {
	d, err := f.read(cmd)
	if err != nil {
		return spec.Spec{}, mutation.Pack{}, err
	}
	s, set := d.Spec, cmd.Flags().Changed
	for flag, option := range map[string]spec.Option{
		"name":      spec.Name(f.name),
		"servers":   spec.Servers(f.servers),
		"clients":   spec.Clients(f.clients),
		"subnet":    func(s *spec.Spec) { s.Subnet = f.subnet },
		"log-level": spec.LogLevel(f.logLevel),
		"hardened":  func(s *spec.Spec) { s.Hardened = f.hardened },
	} {
		if set(flag) {
			s = s.With(option)
		}
	}
	s.Authority = f.authority.over(cmd, s.Authority)
	if s.Nomad, err = f.nomad.over(cmd, s.Nomad); err != nil {
		return s, mutation.Pack{}, err
	}
	if s, err = f.withNodeVersions(cmd, s); err != nil {
		return s, mutation.Pack{}, err
	}
	if set("mutation") {
		d.Mutation = f.mutation
	}
	if d.Mutation == "" {
		return s, mutation.Pack{}, nil
	}
	if set("hardened") && !f.hardened {
		return s, mutation.Pack{}, usagef(cmd, "a lab with --mutation is hardened: leave --hardened=false out")
	}
	m, err := mutation.ByID(d.Mutation)
	if err != nil {
		return s, mutation.Pack{}, err
	}
	p, s, err := mutation.ForLab(s, m)
	return s, p, err
}

// withNodeVersions returns the Spec with the versions of single nodes that the flag names. They win over the file's.
func (f *specFlags) withNodeVersions(cmd *cobra.Command, s spec.Spec) (spec.Spec, error) {
	for _, text := range f.nodeVersions {
		node, version, ok := strings.Cut(text, "=")
		if !ok || node == "" || version == "" {
			return s, usagef(cmd, "--node-version %s: write NODE=VERSION, as in server-1=1.10.5", text)
		}
		s = s.With(func(s *spec.Spec) {
			s.Nomad.Nodes = slices.DeleteFunc(s.Nomad.Nodes, func(o spec.NodeNomad) bool { return o.Node == node })
		}, spec.VersionOn(node, version))
	}
	return s, nil
}

func (f *authorityFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.source, "authority", spec.BuiltinSource,
		"where certificates come from: builtin, nomad (nomad tls), cfssl, vault (with consul-template), or a folder that has them")
	flags.StringVar(&f.password, "password-file", "", "with a folder for --authority: file with the password of its PKCS#12 files")
	flags.StringVar(&f.vault, "vault-binary", "", "with --authority vault: use this vault binary (with Docker a static one)")
	flags.StringVar(&f.consulTemplate, "consul-template-binary", "", "with --authority vault: use this consul-template binary, a static one for Linux")
	mustComplete(cmd, "authority", cobra.FixedCompletions(spec.Sources(), cobra.ShellCompDirectiveDefault))
}

// over returns what the flags say about the authority, or what the file says if no flag is set. The file's further keys are
// those of the file's source, so another source leaves them out.
func (f *authorityFlags) over(cmd *cobra.Command, file spec.Authority) spec.Authority {
	set := cmd.Flags().Changed
	if set("authority") && f.source != file.Source {
		file = spec.Authority{Source: f.source}
	}
	for flag, value := range map[string]struct{ from, into *string }{
		"password-file":          {&f.password, &file.PasswordFile},
		"vault-binary":           {&f.vault, &file.VaultBinary},
		"consul-template-binary": {&f.consulTemplate, &file.ConsulTemplateBinary},
	} {
		if set(flag) {
			*value.into = *value.from
		}
	}
	return file
}

// mutationIDs returns the mutations that a lab can carry.
func mutationIDs() []string {
	var ids []string
	for _, m := range mutation.All() {
		if m.WhyNotInLab() == "" {
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

// over returns what the flags say about Nomad, or what the file says if no flag is set. It never mixes them: an image
// in the file would hide a version.
func (f *nomadFlags) over(cmd *cobra.Command, file spec.Nomad) (spec.Nomad, error) {
	set, chosen := 0, file
	for flag, nomad := range map[string]spec.Nomad{
		"nomad-version": {Version: f.version},
		"image":         {Image: f.image},
		"nomad-binary":  {Binary: f.binary},
	} {
		if cmd.Flags().Changed(flag) {
			set, chosen = set+1, nomad
			chosen.Nodes = file.Nodes
		}
	}
	if set > 1 {
		return file, usagef(cmd, "--nomad-version, --image and --nomad-binary exclude each other: set one of them")
	}
	return chosen, nil
}

// configFlags say where a user's own agent configuration is, and which Nomad reads it.
type configFlags struct {
	paths regress.Paths
	nomad nomadFlags
}

// add adds the flags. Their help begins with where, if the paths are relative to something; the other two texts end the
// help of --server-config and --client-config.
func (f *configFlags) add(cmd *cobra.Command, where, server, client string) {
	f.addPaths(cmd, where, server, client, "certificates are made")
	f.nomad.add(cmd)
}

// addPaths is add without the flags that say which Nomad reads the configuration. usual is what happens without --tls-dir.
func (f *configFlags) addPaths(cmd *cobra.Command, where, server, client, usual string) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.paths.Server, "server-config", nil, where+"your servers' configuration"+server)
	flags.StringSliceVar(&f.paths.Client, "client-config", nil, where+"your clients' configuration"+client)
	flags.StringVar(&f.paths.TLS, "tls-dir", "", where+"folder of the files that the tls blocks of your configuration name (default: "+usual+")")
	flags.StringVar(&f.paths.ServerTLS, "server-tls-dir", "", where+"folder of the files that your servers' tls blocks name, if each role has its own folder")
	flags.StringVar(&f.paths.ClientTLS, "client-tls-dir", "", where+"folder of the files that your clients' tls blocks name, if each role has its own folder")
}

// filesHelp ends the help of --server-config and --client-config.
const filesHelp = ": a file or folder, as for the agent's -config; may be repeated, the order counts"

// given reports whether a configuration is named.
func (f *configFlags) given() bool {
	return len(f.paths.Server)+len(f.paths.Client) > 0 || f.paths.TLS+f.paths.ServerTLS+f.paths.ClientTLS != ""
}

// options returns the options for checking configurations with the engines. Each call has a lab name of its own.
func (f *configFlags) options(cmd *cobra.Command, e *engines.Set) (regress.Options, error) {
	nomad, err := f.nomad.over(cmd, spec.Nomad{})
	return regress.Options{Engine: e.Home(), Others: e.Others(), Nomad: nomad, Name: "check-" + random()}, err
}

// random returns six random lower-case letters and digits, for a lab's name that no other lab has.
func random() string { return strings.ToLower(rand.Text()[:6]) }
