package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/certificate/reader"
)

// certCommand returns `cert`, whose subcommands read, judge and issue certificates without a cluster.
func (a *app) certCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Read, judge, compare and issue certificates",
		Long: `cert says in words what Nomad makes of certificates: whose they are, which endpoints they open, until
when, who signed them, and what is wrong with them and how to put it right. It starts no cluster.`,
		Example: `  nomadlab cert show /etc/nomad.d/tls
  nomadlab cert verify --server-config server.hcl --client-config client.hcl
  nomadlab cert diff old.pem new.pem
  nomadlab cert issue --lab demo --role client --out tls`,
		Args: a.unknownCommand,
		RunE: a.do(func(cmd *cobra.Command, _ []string) error { return cmd.Help() }),
	}
	cmd.AddCommand(a.certShowCommand(), a.certVerifyCommand(), a.certDiffCommand(), a.certIssueCommand())
	return cmd
}

// placeFlags say how places are read and judged: files, folders and ports.
type placeFlags struct {
	ca                    []string
	passwordFile          string
	rpc                   bool
	clientCert, clientKey string
	serverName            string
	json                  bool
}

func (f *placeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.ca, "ca", nil, "file of the authorities that agents trust, as tls.ca_file; may be repeated (default: the authorities' files that are read)")
	flags.StringVar(&f.passwordFile, "password-file", "", "file whose first line is the password of PKCS#12 files")
	flags.BoolVar(&f.rpc, "rpc", false, "HOST:PORT is the RPC port of an agent, not HTTPS")
	flags.StringVar(&f.clientCert, "client-cert", "", "certificate to show to a port that asks for one")
	flags.StringVar(&f.clientKey, "client-key", "", "private key of --client-cert")
	flags.StringVar(&f.serverName, "tls-server-name", "", "name of the server to ask a port for")
	flags.BoolVar(&f.json, "json", false, "print JSON")
}

// validate refuses flags that do not go together.
func (f *placeFlags) validate(cmd *cobra.Command) error {
	if (f.clientCert == "") != (f.clientKey == "") {
		return usagef(cmd, "--client-cert and --client-key go together")
	}
	return nil
}

// places are the arguments of one side, read.
type places struct {
	inputs  []certificate.Input
	trusted []certificate.Input
}

// read reads the places that args name.
func (f *placeFlags) read(ctx context.Context, args ...string) (places, error) {
	var p places
	password, err := reader.Password(ctx, f.passwordFile)
	if err != nil {
		return p, err
	}
	if p.trusted, err = reader.Authorities(f.ca...); err != nil {
		return p, err
	}
	var errs []error
	for _, arg := range args {
		found, err := f.readOne(ctx, arg, password)
		errs = append(errs, err)
		for _, i := range found {
			if !slices.ContainsFunc(p.inputs, func(had certificate.Input) bool { return had.Place == i.Place }) {
				p.inputs = append(p.inputs, i)
			}
		}
	}
	return p, errors.Join(errs...)
}

// readOne reads a file, a folder or a port.
func (f *placeFlags) readOne(ctx context.Context, arg, password string) ([]certificate.Input, error) {
	info, err := os.Stat(arg)
	switch address, isPort := addressOf(arg); {
	case err == nil && info.IsDir():
		return reader.Folder(ctx, arg, password)
	case err != nil && isPort:
		i, err := f.readPort(ctx, address)
		return []certificate.Input{i}, err
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w: there is no such file or folder, and it is no HOST:PORT", arg, reader.ErrUnreadable)
	default:
		i, err := reader.File(arg, password)
		if err == nil {
			return []certificate.Input{i}, nil
		}
		return nil, err
	}
}

// addressOf returns the HOST:PORT of an argument that may be a URL.
func addressOf(arg string) (address string, is bool) {
	address = strings.TrimSuffix(strings.TrimPrefix(arg, "https://"), "/")
	host, port, err := net.SplitHostPort(address)
	return address, err == nil && port != "" && !strings.ContainsAny(host, "/\\")
}

func (f *placeFlags) readPort(ctx context.Context, address string) (certificate.Input, error) {
	var caller *tls.Certificate
	if f.clientCert != "" {
		var err error
		if caller, err = reader.ClientCertificate(f.clientCert, f.clientKey); err != nil {
			return certificate.Input{}, err
		}
	}
	return reader.Port(ctx, address, reader.PortOptions{RPC: f.rpc, Caller: caller, ServerName: f.serverName})
}

// judge judges what was read, with the present as the moment. It gives up when ctx ends: a hostile file can hold thousands of
// authorities of one name.
func (p places) judge(ctx context.Context) (certificate.Report, error) {
	judged := make(chan certificate.Report, 1)
	go func() {
		judged <- certificate.Judge(p.inputs, certificate.Options{Now: time.Now(), Trusted: reader.Trusted(p.trusted)})
	}()
	select {
	case r := <-judged:
		return r, nil
	case <-ctx.Done():
		return certificate.Report{}, fmt.Errorf("judge the certificates: %w", ctx.Err())
	}
}

func (a *app) certShowCommand() *cobra.Command {
	var f placeFlags
	cmd := &cobra.Command{
		Use:   "show FILE|FOLDER|HOST:PORT…",
		Short: "Say in words what Nomad makes of certificates",
		Long: `show reads certificates and keys from files (PEM, DER, PKCS#12), from folders, and from the live ports
of agents, and says of each certificate: the role and region that Nomad reads from its names, the
endpoints that it opens, until when it is valid, its issuer and chain, its key, its purposes, and each
thing that is wrong, with the remedy. All that is named is one set: a key in one file belongs to the
certificate in another, and files that hold authorities alone are taken for the agents' tls.ca_file,
unless --ca names it.

What a certificate opens is said for agents with tls.http, tls.rpc, verify_https_client and
verify_server_hostname. Of a port only the TLS handshake is used: no request is sent, no token, and no
certificate unless --client-cert names one. A port with TLS 1.3 shows its certificate before it refuses
the caller.

It exits with 0 if nothing is wrong, with 1 if something is, with 2 if a place cannot be read.`,
		Example: `  nomadlab cert show server.pem server-key.pem --ca nomad-agent-ca.pem
  nomadlab cert show /etc/nomad.d/tls
  nomadlab cert show agent.pfx --password-file password.txt
  nomadlab cert show 10.0.0.5:4646
  nomadlab cert show --rpc 10.0.0.5:4647 --ca nomad-agent-ca.pem --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef(cmd, "name a file, a folder, or the HOST:PORT of an agent")
			}
			return f.validate(cmd)
		},
		RunE: a.do(func(cmd *cobra.Command, args []string) error { return a.certShow(cmd, args, f) }),
	}
	f.add(cmd)
	return cmd
}

// certShow prints what is said of the places, and exits with 1 if something is wrong.
func (a *app) certShow(cmd *cobra.Command, args []string, f placeFlags) error {
	p, err := f.read(cmd.Context(), args...)
	if err != nil {
		return err
	}
	r, err := p.judge(cmd.Context())
	if err != nil {
		return err
	}
	c := a.console(cmd)
	if f.json {
		err = c.out.json(r)
	} else {
		c.certificates(r)
	}
	if err != nil {
		return err
	}
	return passOn(map[bool]int{true: exitFailed, false: exitFine}[r.Problems() > 0], nil)
}

func (a *app) certDiffCommand() *cobra.Command {
	var f placeFlags
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what differs between two certificates, or two folders of them",
		Long: `diff reads two files, folders or live ports, and says what has changed from the first to the second:
names, role, endpoints, life, issuer, key, purposes, and what is wrong that was not. It pairs the
certificates of two folders by role and region, then by subject, then by file.

It exits with 0 if nothing changed, or nothing for the worse, as after a renewal. It exits with 1 if a
certificate of NEW opens what the one of OLD does not, if something is wrong with it that was not, or if
NEW has a further authority; and with 2 if a place cannot be read.`,
		Example: `  nomadlab cert diff old.pem new.pem
  nomadlab cert diff deployed/tls renewed/tls
  nomadlab cert diff server.pem 10.0.0.5:4646     # is the renewed file served?`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef(cmd, "name two places: the old one and the new one")
			}
			return f.validate(cmd)
		},
		RunE: a.do(func(cmd *cobra.Command, args []string) error { return a.certDiff(cmd, args, f) }),
	}
	f.add(cmd)
	return cmd
}

// certDiff prints what differs between two places, and exits with 1 if something is for the worse.
func (a *app) certDiff(cmd *cobra.Command, args []string, f placeFlags) error {
	var reports []certificate.Report
	for _, arg := range args {
		p, err := f.read(cmd.Context(), arg)
		if err != nil {
			return err
		}
		r, err := p.judge(cmd.Context())
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(r.Places, func(p certificate.Place) bool { return len(p.Certificates) > 0 }) {
			return fmt.Errorf("%s: %w: there is nothing to compare", arg, reader.ErrNothing)
		}
		reports = append(reports, r)
	}
	compared, c := certificate.Compare(reports[0], reports[1]), a.console(cmd)
	if f.json {
		if err := c.out.json(compared); err != nil {
			return err
		}
	} else {
		c.certificateChanges(compared)
	}
	return passOn(map[bool]int{true: exitFailed, false: exitFine}[compared.Worse()], nil)
}
