package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/certificate"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/spec"
)

// Errors of `cert issue`. Each is a spec.ErrInvalid.
const (
	errAuthority = spec.InputError("the authority cannot be used")
	errNotIssued = spec.InputError("no certificate was issued")
	errOccupied  = spec.InputError("nothing was written")
)

// issueFlags are the flags of `cert issue`.
type issueFlags struct {
	authority, lab    string
	role, region, out string
	dns, ips          []string
	ttl               time.Duration
	defect            string
	json              bool
}

func (a *app) certIssueCommand() *cobra.Command {
	var f issueFlags
	cmd := &cobra.Command{
		Use:   "issue --role server|client|cli",
		Short: "Issue a certificate from an authority's folder or a lab",
		Long: `issue makes a key and a certificate as ` + "`nomad tls cert create`" + ` does: ECDSA P-256, for TLS servers and
clients, named ROLE.REGION.nomad and localhost. It signs with the authority in a folder, as
` + "`nomad tls ca create`" + ` writes it (` + pki.CAFile + `, ` + pki.CAKeyFile + `), or with that of a lab.
The files have the names that Nomad's CLI gives them; files that exist are not replaced.

With --defect the certificate has one thing wrong with it, to see who refuses it.

It exits with 2 if the authority cannot be used or does not permit what is asked for.`,
		Example: `  nomadlab cert issue --authority tls --role server --region eu --dns nomad.example.com --out new
  nomadlab cert issue --lab demo --role cli --ttl 8h --out ~/demo-tls
  nomadlab cert issue --lab demo --role server --defect expired --out wrong`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := noArguments("")(cmd, args); err != nil {
				return err
			}
			return f.validate(cmd)
		},
		RunE: a.do(func(cmd *cobra.Command, args []string) error { return a.certIssue(cmd, args, f) }),
	}
	f.add(a, cmd)
	return cmd
}

func (f *issueFlags) add(a *app, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.authority, "authority", "", "folder of the authority")
	flags.StringVar(&f.lab, "lab", "", "lab whose authority signs (default the lab that is meant, as for status)")
	flags.StringVar(&f.role, "role", "", "server, client or cli")
	flags.StringVar(&f.region, "region", "", "region of the agent (default "+pki.DefaultRegion+", or the lab's)")
	flags.StringSliceVar(&f.dns, "dns", nil, "further DNS name; may be repeated")
	flags.StringSliceVar(&f.ips, "ip", nil, "further IP address; may be repeated")
	flags.DurationVar(&f.ttl, "ttl", 0, "how long it is valid, such as 8h (default 168h, or what is left of the authority's life)")
	flags.StringVar(&f.out, "out", ".", "folder to write the files into")
	flags.StringVar(&f.defect, "defect", "", "make one thing wrong with it")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	var defects []string
	for _, d := range pki.Defects() {
		defects = append(defects, d.Name())
	}
	mustComplete(cmd, "role", fixed(string(pki.Server), string(pki.Client), string(pki.CLI)))
	mustComplete(cmd, "defect", fixed(defects...))
	mustComplete(cmd, "lab", a.completeLabs(anyNumber))
	mustComplete(cmd, "region", fixed())
}

// validate refuses wrong values before an authority is opened.
func (f *issueFlags) validate(cmd *cobra.Command) error {
	_, err := pki.DefectNamed(f.defect)
	switch {
	case f.authority != "" && f.lab != "":
		return usagef(cmd, "--authority and --lab exclude each other")
	case f.role == "":
		return usagef(cmd, "say whom the certificate is for: --role server, client or cli")
	case cmd.Flags().Changed("ttl") && f.ttl < time.Second:
		return usagef(cmd, "--ttl is %s: certificates count whole seconds, so use at least 1s", f.ttl)
	case err != nil:
		return usagef(cmd, "--defect: %w", err)
	}
	id, err := f.identity()
	if err == nil {
		err = id.Validate()
	}
	if err != nil {
		return asUsage(cmd, err)
	}
	return nil
}

// identity returns whom the certificate is for.
func (f *issueFlags) identity() (pki.Identity, error) {
	id := pki.Identity{Role: pki.Role(f.role), Region: f.region, DNSNames: f.dns}
	for _, text := range f.ips {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return id, fmt.Errorf("--ip: %w", err)
		}
		id.IPs = append(id.IPs, ip)
	}
	return id, nil
}

// certIssue issues a certificate and writes its files.
func (a *app) certIssue(cmd *cobra.Command, args []string, f issueFlags) error {
	if f.authority != "" {
		return a.issueFrom(cmd, f, f.authority)
	}
	return a.with(func(cmd *cobra.Command, _ []string, e *engines.Set) error {
		l, err := open(cmd, e, f.lab)
		if err != nil {
			return err
		}
		if f.region == "" {
			f.region = l.Credential().Identity.Region
		}
		return a.issueFrom(cmd, f, l.TLSFolder())
	})(cmd, args)
}

// issueFrom issues with the authority in a folder.
func (a *app) issueFrom(cmd *cobra.Command, f issueFlags, folder string) error {
	authority, err := pki.LoadAuthority(folder, pki.Options{LeafTTL: f.ttl})
	if err != nil {
		return fmt.Errorf("%w: %w", errAuthority, err)
	}
	now := time.Now()
	if end := authority.NotAfter(); f.ttl > 0 && now.Add(f.ttl).After(end) {
		return fmt.Errorf("%w: --ttl %s reaches beyond the authority's own end, %s: use at most %s",
			errNotIssued, f.ttl, end.UTC().Format(time.RFC3339), max(0, end.Sub(now)).Truncate(time.Second))
	}
	defect, err := pki.DefectNamed(f.defect)
	if err != nil {
		return err
	}
	id, err := f.identity()
	if err != nil {
		return err
	}
	c, err := authority.IssueDefective(id, defect)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotIssued, err)
	}
	files, err := writeCredential(f.out, c)
	if err != nil {
		return err
	}
	return a.tellIssued(cmd, f, c, files, now)
}

// issuedFiles are the paths of what was written. CA was perhaps there before.
type issuedFiles struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
	CA          string `json:"ca"`
}

// tellIssued prints what was issued.
func (a *app) tellIssued(cmd *cobra.Command, f issueFlags, c pki.Credential, files issuedFiles, now time.Time) error {
	trusted, err := c.Authorities()
	if err != nil {
		return err
	}
	var inputs []certificate.Input
	for path, text := range map[string][]byte{files.Certificate: c.CertPEM, files.Key: c.KeyPEM} {
		i, err := certificate.Decode(text, path, "")
		if err != nil {
			return err
		}
		if path == files.Key {
			i.Mode = 0o600
		}
		inputs = append(inputs, i)
	}
	r, out := certificate.Judge(inputs, certificate.Options{Now: now, Trusted: trusted}), a.console(cmd)
	if f.json {
		return out.out.json(struct {
			issuedFiles
			Report certificate.Report `json:"report"`
		}{files, r})
	}
	for _, p := range r.Places {
		out.place(r, p)
	}
	out.out.printf("wrote %s, %s, %s", files.Certificate, files.Key, files.CA)
	return nil
}

// writeCredential writes the files of a credential into a folder, which it makes with mode 0700 if it does not exist, and replaces
// none. An authority's file that is there already must have the same authority.
func writeCredential(folder string, c pki.Credential) (issuedFiles, error) {
	files := issuedFiles{
		Certificate: filepath.Join(folder, c.Identity.CertFile()), Key: filepath.Join(folder, c.Identity.KeyFile()), CA: filepath.Join(folder, pki.CAFile),
	}
	for _, path := range []string{files.Certificate, files.Key} {
		if _, err := os.Lstat(path); err == nil {
			return files, fmt.Errorf("%w: %s exists already: choose another folder with --out, or remove it", errOccupied, path)
		}
	}
	hasCA, err := hasAuthority(files.CA, c)
	if err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	if err != nil {
		return files, fmt.Errorf("%w: %w", errOccupied, err)
	}
	var written []string
	write := func(path string, text []byte, mode fs.FileMode) error {
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return err
		}
		written = append(written, path)
		_, err = file.Write(text)
		return errors.Join(err, file.Close())
	}
	err = errors.Join(write(files.Key, c.KeyPEM, 0o600), write(files.Certificate, c.CertPEM, 0o644))
	if err == nil && !hasCA {
		err = write(files.CA, c.CAPEM, 0o644)
	}
	if err != nil {
		for _, path := range written {
			err = errors.Join(err, os.Remove(path))
		}
		return files, fmt.Errorf("%w: %w", errOccupied, err)
	}
	return files, nil
}

// hasAuthority reports whether the file has the credential's authority. It returns an error if it has others alone.
func hasAuthority(path string, c pki.Credential) (bool, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	there, err := pki.DecodeCertificates(text)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	own, err := c.Authorities()
	if err != nil {
		return false, err
	}
	for _, a := range own {
		if !slices.ContainsFunc(there, a.Equal) {
			return false, fmt.Errorf("%s has another authority: choose another folder with --out", path)
		}
	}
	return true, nil
}
