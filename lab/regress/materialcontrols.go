package regress

import (
	"errors"
	"os"
	"path/filepath"

	"nomadlab.internal/lab/pki"
)

// controls are the files of an authority and of credentials of its own, written into a folder and read as a user's are. They
// are the controls of materialChecks.
type controls struct {
	folder    string
	authority *pki.Authority
	files     userFiles
}

// newControls makes an authority, and a credential of the role that has nothing wrong.
func newControls(folder, region string, role pki.Role) (*controls, error) {
	authority, err := pki.NewAuthority(pki.Options{CommonName: "Control CA"})
	if err != nil {
		return nil, err
	}
	c := &controls{folder: folder, authority: authority, files: userFiles{role: role, region: region}}
	agent, err := authority.Issue(pki.Identity{Role: role, Region: region})
	if err != nil {
		return nil, err
	}
	return c, c.add(role, agent, PartAuthorities, PartCertificate, PartKey)
}

// add writes parts of a credential.
func (c *controls) add(role pki.Role, of pki.Credential, parts ...Part) error {
	for _, part := range parts {
		text := map[Part][]byte{PartAuthorities: of.CAPEM, PartCertificate: of.CertPEM, PartKey: of.KeyPEM, PartNone: of.CertPEM}[part]
		if err := c.write(role, part, of.Identity.FileStem()+"-"+filepath.Base(string(part))+".pem", text); err != nil {
			return err
		}
	}
	return nil
}

// write writes a file, and reads it.
func (c *controls) write(role pki.Role, part Part, name string, text []byte) error {
	path := filepath.Join(c.folder, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	m, ok := materialAt(role, part, path)
	if !ok {
		return errors.New("the control file cannot be read: " + name)
	}
	c.files.material = append(c.files.material, m)
	return nil
}

// controlWith returns a control: an agent's files without a fault, and what more adds to them.
func controlWith(role pki.Role, more func(*controls) error) func(folder, region string) (userFiles, error) {
	return func(folder, region string) (userFiles, error) {
		c, err := newControls(folder, region, role)
		if err == nil {
			err = more(c)
		}
		if err != nil {
			return userFiles{}, err
		}
		return c.files, nil
	}
}

// controlSharedKey is a server's and a client's certificate for one key.
func controlSharedKey(folder, region string) (userFiles, error) {
	return controlWith(pki.Server, func(c *controls) error {
		client, err := c.authority.Issue(pki.Identity{Role: pki.Client, Region: region})
		if err != nil {
			return err
		}
		server, err := c.authority.IssueForKey(pki.Identity{Role: pki.Server, Region: region}, client)
		if err != nil {
			return err
		}
		return errors.Join(c.add(pki.Client, client, PartCertificate), c.add("", server, PartNone))
	})(folder, region)
}

// controlNamed is a person's certificate that has another name as well.
func controlNamed(other func(region string) string) func(string, string) (userFiles, error) {
	return controlPerson(pki.Defect{}, func(region string) []string { return []string{other(region)} })
}

// controlDefective is a person's certificate with one defect.
func controlDefective(d pki.Defect) func(string, string) (userFiles, error) {
	return controlPerson(d, func(string) []string { return nil })
}

func controlPerson(d pki.Defect, names func(region string) []string) func(string, string) (userFiles, error) {
	return controlWith(pki.Server, func(c *controls) error {
		region := c.files.region
		person, err := c.authority.IssueDefective(pki.Identity{Role: pki.CLI, Region: region, DNSNames: names(region)}, d)
		if err != nil {
			return err
		}
		return c.add("", person, PartNone)
	})
}

// controlAuthority is an authority's key beside the agent's, in a file with another name than usual.
func controlAuthority(role pki.Role) func(string, string) (userFiles, error) {
	return controlWith(role, func(c *controls) error {
		err := errors.Join(c.authority.Save(c.folder), os.Rename(filepath.Join(c.folder, pki.CAKeyFile), filepath.Join(c.folder, "issuing.key")))
		c.files.material = append(c.files.material, materialIn(role, c.folder, c.files.material)...)
		return err
	})
}

// controlForeign is a file of authorities with one more, to which no certificate leads.
func controlForeign(role pki.Role) func(string, string) (userFiles, error) {
	return controlWith(role, func(c *controls) error {
		foreign, err := pki.NewAuthority(pki.Options{CommonName: "Control CA"}) // the same name: only the key differs
		if err != nil {
			return err
		}
		return c.write(role, PartAuthorities, "bundle.pem", append(c.authority.CertificatePEM(), foreign.CertificatePEM()...))
	})
}
