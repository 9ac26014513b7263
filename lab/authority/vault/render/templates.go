package render

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// Template is one template of consul-template.
type Template struct {
	// Source is the path of the template.
	Source string
	// Destination is the path of the file that consul-template renders.
	Destination string
	// Text is the template.
	Text string
	// Perms is the mode of the rendered file, in octal. Empty: consul-template takes the mode of the file that is there, and
	// 0644 if there is none, even for a private key (renderer/renderer.go:24; verified against consul-template 0.41.1).
	Perms string
}

// Templates returns the node's templates.
//
// The published ones are HashiCorp's, word for word but for role and region. They show three traps: cli.key has no perms; ca.crt
// issues one more certificate in order to get the authority, and gets the intermediate alone; agent.crt has no chain.
//
// The safe ones issue one certificate, with pkiCert: certificate, the intermediate that signed it and key go into one file, which
// consul-template replaces by a rename. consul-template reads that file when it starts, and keeps a certificate that is still
// good (dependency/vault_pki.go:94). The authority is the root, read from where everybody may read it, so it issues nothing.
func (n Node) Templates() []Template {
	if n.Published {
		return n.publishedTemplates()
	}
	bundle := "{{ with pkiCert " + quoted(n.issuePath(), n.Parameters()) + " }}{{ .Cert }}{{ .CA }}{{ .Key }}{{ end }}\n"
	root := "{{ with secret " + strconv.Quote(RootMount+"/cert/ca") + " }}{{ .Data.certificate }}{{ end }}\n"
	return []Template{
		n.template("agent.pem.tpl", n.CertFile(), bundle, "0600"),
		n.template("ca.crt.tpl", n.CAFile(), root, "0644"),
	}
}

func (n Node) publishedTemplates() []Template {
	all := n.Parameters()
	name, ttl := all[0], all[1]
	return []Template{
		n.template("agent.crt.tpl", n.CertFile(), n.published("certificate", all...), "0700"),
		n.template("agent.key.tpl", n.KeyFile(), n.published("private_key", all...), "0700"),
		n.template("ca.crt.tpl", n.CAFile(), n.published("issuing_ca", name, ttl), ""),
		n.template("cli.crt.tpl", path.Join(n.UserCertFolder(), "cli.crt"), n.published("certificate", ttl), ""),
		n.template("cli.key.tpl", path.Join(n.UserCertFolder(), "cli.key"), n.published("private_key", ttl), ""),
	}
}

func (n Node) template(source, destination, text, perms string) Template {
	return Template{Source: path.Join(n.TemplateFolder(), source), Destination: destination, Text: text, Perms: perms}
}

// published returns a template as the guide has it, with its empty lines.
func (n Node) published(field string, parameters ...string) string {
	return fmt.Sprintf("{{ with secret %s}}\n{{ .Data.%s }}\n{{ end }}\n", quoted(n.issuePath(), parameters), field)
}

// quoted returns a path and its parameters as the arguments of a template function.
func quoted(where string, parameters []string) string {
	out := []string{strconv.Quote(where)}
	for _, p := range parameters {
		out = append(out, strconv.Quote(p))
	}
	return strings.Join(out, " ")
}
