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

// quickHelp is the help of --quick.
const quickHelp = "leave out checks that wait for timeouts or use up connections"

func (f *checkFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.only, "only", nil, "run only these: planes, check IDs, patterns of check IDs, or matrix")
	flags.BoolVar(&f.list, "list", false, "list the checks")
	flags.BoolVar(&f.quick, "quick", false, quickHelp)
	flags.BoolVar(&f.safe, "safe", false, "leave out checks that change something, even if they undo it, and those whose requests this version of Nomad is not known to refuse")
	flags.BoolVar(&f.bare, "no-matrix", false, "leave out the matrix of certificates and endpoints")
	flags.StringSliceVar(&f.formats, "format", nil, "format to print, or formats to write with --out: "+strings.Join(formatNames(), ", "))
	flags.StringVar(&f.out, "out", "", "write the report into this folder, in all formats unless --format names some")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "show the evidence of each check")
	flags.StringSliceVar(&f.remote.Addresses, "addr", nil, "check the cluster of the agent at this address, instead of a lab; may be repeated")
	flags.StringVar(&f.remote.CA, "ca", "", "with --addr: file of the authority's certificate")
	flags.StringVar(&f.remote.Certificate, "cert", "", "with --addr: file of your certificate")
	flags.StringVar(&f.remote.Key, "key", "", "with --addr: file of your certificate's private key")
	flags.StringVar(&f.remote.TokenFile, "token-file", "", "with --addr: file of a management token, sent only to agents whose name is verified")
	flags.StringVar(&f.remote.Region, "region", "", "with --addr: region whose servers are expected (default $"+regionVariable+", else global)")
	flags.StringVar(&f.remote.TLSServerName, "tls-server-name", "", "with --addr: a further name that an agent's certificate may have (default $"+serverNameVariable+")")
	f.config.add(cmd, "", filesHelp+"; it is checked in a cluster of its own", filesHelp)
	flags.StringVar(&f.lock, "lock", "", "with --server-config: compare with this lock file")
	flags.BoolVar(&f.update, "update", false, "with --lock: write the lock file, and exit with 0 once it is written")
	mustComplete(cmd, "format", fixed(formatNames()...))
	mustComplete(cmd, "only", completeChecks)
}

// Environment variables of Nomad's CLI with the values of --region and --tls-server-name.
const (
	regionVariable     = "NOMAD_REGION"
	serverNameVariable = "NOMAD_TLS_SERVER_NAME"
)

// cluster returns what the flags say about a cluster that nomadlab did not start, with Nomad's variables as defaults.
func (f *checkFlags) cluster() inspect.Remote {
	r := f.remote
	r.Region = cmp.Or(r.Region, os.Getenv(regionVariable))
	r.TLSServerName = cmp.Or(r.TLSServerName, os.Getenv(serverNameVariable))
	return r
}

// validate refuses flags and arguments that exclude each other, and files that cannot be written.
func (f *checkFlags) validate(cmd *cobra.Command, args []string) error {
	for _, validate := range []func(*cobra.Command, []string) error{f.validateFormats, f.validateRemote, f.validateConfig} {
		if err := validate(cmd, args); err != nil {
			return err
		}
	}
	if _, err := f.chosen(); err != nil {
		return asUsage(cmd, err)
	}
	if f.list {
		return nil
	}
	return f.makePlaces(cmd)
}

func (f *checkFlags) validateFormats(cmd *cobra.Command, _ []string) error {
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

// validateRemote refuses what does not fit a cluster that nomadlab did not start.
func (f *checkFlags) validateRemote(cmd *cobra.Command, args []string) error {
	remote := f.remote
	credentials := []string{remote.CA, remote.Certificate, remote.Key}
	switch {
	case len(remote.Addresses) > 0 && len(args) > 0:
		return usagef(cmd, "a lab (%s) and --addr exclude each other", args[0])
	case len(remote.Addresses) > 0 && slices.Contains(credentials, ""):
		return usagef(cmd, "--addr needs --ca, --cert and --key: a refusal proves nothing unless a caller with a certificate is accepted")
	case len(remote.Addresses) == 0 && (remote.TokenFile != "" || slices.ContainsFunc(credentials, func(c string) bool { return c != "" })):
		return usagef(cmd, "--ca, --cert, --key and --token-file go with --addr: a lab's credentials are known")
	case len(remote.Addresses) == 0 && (remote.Region != "" || remote.TLSServerName != ""):
		return usagef(cmd, "--region and --tls-server-name go with --addr: a lab's names are known")
	case len(remote.Addresses) > 0 && slices.Contains(f.only, inspect.MatrixName):
		return usagef(cmd, "the matrix is for labs: only the authority's key can issue its certificates, and --addr has none")
	default:
		return nil
	}
}

// validateConfig refuses what does not fit a user's configuration, and what needs one.
func (f *checkFlags) validateConfig(cmd *cobra.Command, args []string) error {
	switch given := f.config.given(); {
	case !given && (f.lock != "" || f.update):
		return usagef(cmd, "--lock and --update go with --server-config: a lock file has the posture of a configuration")
	case !given && f.config.nomad != (nomadFlags{}):
		return usagef(cmd, "--nomad-version, --image and --nomad-binary go with --server-config: a running cluster has its Nomad")
	case !given:
		return nil
	case len(args) > 0 || len(f.remote.Addresses) > 0:
		return usagef(cmd, "a lab, --addr and --server-config exclude each other: a configuration gets a cluster of its own")
	case len(f.config.paths.Server) == 0:
		return usagef(cmd, "name the servers' configuration with --server-config: clients alone have no server to register with%s", regress.ByFlags(pki.Server))
	default:
		return f.validateLock(cmd)
	}
}

func (f *checkFlags) validateLock(cmd *cobra.Command) error {
	partly := len(f.only) > 0 || f.quick || f.safe || f.bare
	switch {
	case f.update && f.lock == "":
		return usagef(cmd, "--update writes a lock: name it with --lock posture.lock.yaml")
	case f.lock != "" && partly:
		return usagef(cmd, "a lock file has the whole posture: leave out --only, --quick, --safe and --no-matrix")
	default:
		return nil
	}
}

// chosen returns the checks that --only names, from the catalogue as it is without a cluster.
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

// completeChecks completes planes and check IDs.
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

// formatNames returns the names of a report's formats.
func formatNames() []string {
	var names []string
	for _, f := range report.Formats() {
		names = append(names, f.Name)
	}
	return names
}
