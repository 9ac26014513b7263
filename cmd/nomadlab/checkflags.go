package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/inspect"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/regress"
	"nomadlab.internal/lab/report"
)

// checkFlags are the flags of `check`.
type checkFlags struct {
	only                             []string
	list, quick, safe, bare, verbose bool
	formats                          []string
	out                              string
	remote                           inspect.Remote
	config                           configFlags
	lock                             string
	update                           bool
}

// add adds the flags.
func (f *checkFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.only, "only", nil, "only these: planes, IDs of checks, patterns of IDs, or matrix")
	flags.BoolVar(&f.list, "list", false, "list the checks")
	flags.BoolVar(&f.quick, "quick", false, "leave out what waits for limits of time or uses up connections")
	flags.BoolVar(&f.safe, "safe", false, "leave out what has to clean up behind itself, and what this version of Nomad is not known to refuse without effect")
	flags.BoolVar(&f.bare, "no-matrix", false, "leave out the matrix of certificates and entries")
	flags.StringSliceVar(&f.formats, "format", nil, "what to print or write: "+strings.Join(formatNames(), ", "))
	flags.StringVar(&f.out, "out", "", "write the report into this folder, in all formats unless --format says which")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show the evidence of each check")
	flags.StringSliceVar(&f.remote.Addresses, "addr", nil, "check the cluster of this agent, instead of a lab; may be repeated")
	flags.StringVar(&f.remote.CA, "ca", "", "with --addr: file of the authority's certificate")
	flags.StringVar(&f.remote.Certificate, "cert", "", "with --addr: file of your certificate")
	flags.StringVar(&f.remote.Key, "key", "", "with --addr: file of its key")
	flags.StringVar(&f.remote.TokenFile, "token-file", "", "with --addr: file of a management token, sent only where the agent's name is verified")
	flags.StringVar(&f.remote.Region, "region", "", "with --addr: region whose servers are expected (default $"+regionVariable+", else global)")
	flags.StringVar(&f.remote.TLSServerName, "tls-server-name", "", "with --addr: another name that an agent's certificate may be for (default $"+serverNameVariable+")")
	f.config.add(cmd)
	flags.StringVar(&f.lock, "lock", "", "with --server-config: compare with this posture lock")
	flags.BoolVar(&f.update, "update", false, "with --lock: write it, and exit with 0 whatever has changed")
	mustComplete(cmd, "format", fixed(formatNames()...))
	mustComplete(cmd, "only", completeChecks)
}

// The variables that say the same to Nomad's own CLI.
const (
	regionVariable     = "NOMAD_REGION"
	serverNameVariable = "NOMAD_TLS_SERVER_NAME"
)

// cluster is somebody else's cluster, with what Nomad's own variables say of it where no flag does.
func (f *checkFlags) cluster() inspect.Remote {
	r := f.remote
	r.Region = cmp.Or(r.Region, os.Getenv(regionVariable))
	r.TLSServerName = cmp.Or(r.TLSServerName, os.Getenv(serverNameVariable))
	return r
}

// validate tells what does not go together, and what could not be written.
func (f *checkFlags) validate(cmd *cobra.Command, args []string) error {
	for _, fits := range []func(*cobra.Command, []string) error{f.fitFormats, f.fitRemote, f.fitConfig} {
		if err := fits(cmd, args); err != nil {
			return err
		}
	}
	if _, err := f.chosen(); err != nil {
		return asUsage(cmd, err)
	}
	if f.list {
		return nil
	}
	return f.places(cmd)
}

func (f *checkFlags) fitFormats(cmd *cobra.Command, _ []string) error {
	for _, name := range f.formats {
		if !slices.Contains(formatNames(), name) {
			return usagef(cmd, "--format is %q: use %s", name, strings.Join(formatNames(), ", "))
		}
	}
	if len(f.formats) > 1 && f.out == "" {
		return usagef(cmd, "several formats need a folder: add --out")
	}
	return nil
}

// fitRemote tells what does not go together with somebody else's cluster.
func (f *checkFlags) fitRemote(cmd *cobra.Command, args []string) error {
	remote := f.remote
	credentials := []string{remote.CA, remote.Certificate, remote.Key}
	switch {
	case len(remote.Addresses) > 0 && len(args) > 0:
		return usagef(cmd, "a lab (%s) and --addr exclude each other", args[0])
	case len(remote.Addresses) > 0 && slices.Contains(credentials, ""):
		return usagef(cmd, "--addr needs --ca, --cert and --key: what is refused proves nothing unless somebody is let in")
	case len(remote.Addresses) == 0 && (remote.TokenFile != "" || slices.ContainsFunc(credentials, func(c string) bool { return c != "" })):
		return usagef(cmd, "--ca, --cert, --key and --token-file go with --addr: a lab's credentials are known")
	case len(remote.Addresses) == 0 && (remote.Region != "" || remote.TLSServerName != ""):
		return usagef(cmd, "--region and --tls-server-name go with --addr: a lab's names are known")
	case len(remote.Addresses) > 0 && slices.Contains(f.only, inspect.MatrixName):
		return usagef(cmd, "the matrix is for labs: its certificates take the authority's key, which --addr has not")
	default:
		return nil
	}
}

// fitConfig tells what does not go together with a user's configuration, and what takes one.
func (f *checkFlags) fitConfig(cmd *cobra.Command, args []string) error {
	switch given := f.config.given(); {
	case !given && (f.lock != "" || f.update):
		return usagef(cmd, "--lock and --update go with --server-config: what is locked is a configuration's posture")
	case !given && f.config.nomad != (nomadFlags{}):
		return usagef(cmd, "--nomad-version, --image and --nomad-binary go with --server-config: a cluster that is there runs what it runs")
	case !given:
		return nil
	case len(args) > 0 || len(f.remote.Addresses) > 0:
		return usagef(cmd, "a lab, --addr and --server-config exclude each other: a configuration gets a cluster of its own")
	case len(f.config.paths.Server) == 0:
		return usagef(cmd, "name the servers' configuration with --server-config: clients alone have nobody to register with%s", regress.ByFlags(pki.Server))
	default:
		return f.fitLock(cmd)
	}
}

func (f *checkFlags) fitLock(cmd *cobra.Command) error {
	partly := len(f.only) > 0 || f.quick || f.safe || f.bare
	switch {
	case f.update && f.lock == "":
		return usagef(cmd, "--update writes a lock: name it with --lock posture.lock.yaml")
	case f.lock != "" && partly:
		return usagef(cmd, "a lock is of the whole posture: leave out --only, --quick, --safe and --no-matrix")
	default:
		return nil
	}
}

// chosen are the checks that --only means, by what the catalogue has without a cluster.
func (f *checkFlags) chosen() ([]posture.Check, error) {
	all, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		return nil, err
	}
	if f.config.given() {
		files, err := regress.FileChecks()
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	names := slices.DeleteFunc(slices.Clone(f.only), func(name string) bool { return name == inspect.MatrixName })
	if len(f.only) > 0 && len(names) == 0 {
		return nil, nil // the matrix alone
	}
	chosen, err := posture.Choose(all, names...)
	if err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	return chosen, nil
}

// completeChecks completes planes and IDs of checks.
func completeChecks(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	words := []cobra.Completion{inspect.MatrixName}
	all, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, check := range all {
		s := check.Spec()
		if plane := strings.ToLower(string(s.Plane)); !slices.Contains(words, plane) {
			words = append(words, plane)
		}
		words = append(words, cobra.CompletionWithDesc(s.ID, s.Title))
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// formatNames are the names of the formats of a report.
func formatNames() []string {
	var names []string
	for _, f := range report.Formats() {
		names = append(names, f.Name)
	}
	return names
}
