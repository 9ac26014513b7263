package regress

import (
	"errors"
	"os"
	"path/filepath"

	"nomadlab.internal/lab/pki"
)

// controls are an authority of our own and a credential of each role, in real files that are read as a user's are.
type controls struct {
	folder    string
	authority *pki.Authority
	held      held
}

// newDecoys makes an authority, and a credential of the role that has nothing wrong.
func newControls(folder, region string, role pki.Role) (*controls, error) {
	authority, err := pki.NewAuthority(pki.Options{CommonName: "Control CA"})
	if err != nil {
		return nil, err
	}
	d := &controls{folder: folder, authority: authority, held: held{role: role, region: region}}
	agent, err := authority.Issue(pki.Identity{Role: role, Region: region})
	if err != nil {
		return nil, err
	}
	return d, d.add(role, agent, PartAuthorities, PartCertificate, PartKey)
}

// add writes the files of a credential, and reads them as those parts; without parts, as files that no agent has.
func (d *controls) add(role pki.Role, c pki.Credential, parts ...Part) error {
	if len(parts) == 0 {
		parts = []Part{PartNone}
	}
	for _, part := range parts {
		text := map[Part][]byte{PartAuthorities: c.CAPEM, PartCertificate: c.CertPEM, PartKey: c.KeyPEM, PartNone: c.CertPEM}[part]
		if err := d.write(role, part, c.Identity.FileStem()+"-"+filepath.Base(string(part))+".pem", text); err != nil {
			return err
		}
	}
	return nil
}

// write writes a file, and reads it.
func (d *controls) write(role pki.Role, part Part, name string, text []byte) error {
	path := filepath.Join(d.folder, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	m, ok := materialAt(role, part, path)
	if !ok {
		return errors.New("the file of our own cannot be read: " + name)
	}
	d.held.material = append(d.held.material, m)
	return nil
}

// decoyWith is a sound server's files, and what more puts beside them.
func controlWith(folder, region string, more func(*controls) error) (held, error) {
	d, err := newControls(folder, region, pki.Server)
	if err == nil {
		err = more(d)
	}
	if err != nil {
		return held{}, err
	}
	return d.held, nil
}

// decoySharedKey is a server's and a client's certificate for one key.
func controlSharedKey(folder, region string) (held, error) {
	return controlWith(folder, region, func(d *controls) error {
		client, err := d.authority.Issue(pki.Identity{Role: pki.Client, Region: region})
		if err != nil {
			return err
		}
		server, err := d.authority.IssueForKey(pki.Identity{Role: pki.Server, Region: region}, client)
		if err != nil {
			return err
		}
		return errors.Join(d.add(pki.Client, client, PartCertificate), d.add("", server))
	})
}

// decoyNamed is a person's certificate that bears another name besides.
func controlNamed(other func(region string) string) func(string, string) (held, error) {
	return func(folder, region string) (held, error) {
		return controlOther(folder, region, pki.Identity{Role: pki.CLI, Region: region, DNSNames: []string{other(region)}}, pki.Defect{})
	}
}

// decoyFlawed is a person's certificate with one thing wrong.
func controlDefective(f pki.Defect) func(string, string) (held, error) {
	return func(folder, region string) (held, error) {
		return controlOther(folder, region, pki.Identity{Role: pki.CLI, Region: region}, f)
	}
}

func controlOther(folder, region string, id pki.Identity, f pki.Defect) (held, error) {
	return controlWith(folder, region, func(d *controls) error {
		c, err := d.authority.IssueDefective(id, f)
		if err != nil {
			return err
		}
		return d.add("", c)
	})
}

// decoyAuthority is an authority's key beside the agent's, in a file whose name says nothing of it.
func controlAuthority(role pki.Role) func(string, string) (held, error) {
	return func(folder, region string) (held, error) {
		d, err := newControls(folder, region, role)
		if err != nil {
			return held{}, err
		}
		if err := d.authority.Save(folder); err != nil {
			return held{}, err
		}
		const hidden = "issuing.key"
		if err := os.Rename(filepath.Join(folder, pki.CAKeyFile), filepath.Join(folder, hidden)); err != nil {
			return held{}, err
		}
		d.held.material = append(d.held.material, materialIn(role, folder, d.held.material)...)
		return d.held, nil
	}
}

// decoyForeign is a file of authorities with one more, to which no certificate leads.
func controlForeign(role pki.Role) func(string, string) (held, error) {
	return func(folder, region string) (held, error) {
		d, err := newControls(folder, region, role)
		if err != nil {
			return held{}, err
		}
		stranger, err := pki.NewAuthority(pki.Options{CommonName: "Control CA"}) // of the same name: the key tells them apart
		if err != nil {
			return held{}, err
		}
		bundle := append(d.authority.CertificatePEM(), stranger.CertificatePEM()...)
		if err := d.write(role, PartAuthorities, "bundle.pem", bundle); err != nil {
			return held{}, err
		}
		return d.held, nil
	}
}
