package image

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"nomadlab.internal/fixtures"
)

// Part is a program that labs run. The zero Part is Nomad.
type Part string

// The parts.
const (
	// Nomad is what labs are made of.
	Nomad Part = "nomad"
	// Vault issues the certificates of labs with the authority "vault".
	Vault Part = "vault"
	// ConsulTemplate fetches Vault's certificates in the nodes of such a lab, and runs their agents.
	ConsulTemplate Part = "consul-template"
)

// DefaultVersion is the version of Nomad that is used by default.
const DefaultVersion = "1.11.3"

// Parts returns all parts, Nomad first.
func Parts() []Part { return []Part{Nomad, Vault, ConsulTemplate} }

// ParsePart returns the part of that name, such as "vault". It returns ErrUnknownPart, with the names that there are, for any
// other text, the empty one included.
func ParsePart(name string) (Part, error) {
	if part := Part(name); slices.Contains(Parts(), part) {
		return part, nil
	}
	names := make([]string, 0, len(Parts()))
	for _, part := range Parts() {
		names = append(names, string(part))
	}
	return "", fmt.Errorf("%w %q: want one of %s", ErrUnknownPart, name, strings.Join(names, ", "))
}

// facts are what this package knows of a part besides its recipes.
type facts struct {
	title   string   // as its maker writes it
	version string   // by default
	ask     []string // arguments with which the program prints its version
	answer  string   // what stands before the version in the first line of its answer
	// businessLicence is the first version under the Business Source License. Empty: all are under Mozilla's.
	businessLicence string
	// asFile is what AsFile returns.
	asFile bool
}

// facts returns what is known of the part. For a Part that ParsePart would refuse they are zero.
func (p Part) facts() facts {
	switch p.orNomad() {
	case Nomad: // github.com/hashicorp/nomad/blob/v1.7.0/LICENSE
		return facts{title: "Nomad", version: DefaultVersion, ask: []string{"version"}, answer: "Nomad v", businessLicence: "v1.7.0"}
	case Vault: // github.com/hashicorp/vault/blob/v1.15.0/LICENSE
		return facts{title: "Vault", version: "1.21.0", ask: []string{"version"}, answer: "Vault v", businessLicence: "v1.15.0"}
	case ConsulTemplate: // github.com/hashicorp/consul-template/blob/v0.41.1/LICENSE
		return facts{title: "consul-template", version: "0.41.1", ask: []string{"-version"}, answer: "consul-template v", asFile: true}
	default:
		return facts{}
	}
}

func (p Part) orNomad() Part { return cmp.Or(p, Nomad) }

// Name returns the name of the part, which is also that of its program: "nomad" for the zero Part.
func (p Part) Name() string { return string(p.orNomad()) }

// Title returns the name as its maker writes it, such as "Nomad".
func (p Part) Title() string { return p.facts().title }

// DefaultVersion returns the version that is used by default, such as "1.21.0".
func (p Part) DefaultVersion() string { return p.facts().version }

// Versions returns the versions that can be built without a registry, oldest first.
func (p Part) Versions() []string { return recipeSet{fixtures.Images}.versions(p) }

// BuildTime returns about how long a build of that version takes on two cores, downloads included. It is zero for a version
// that cannot be built.
func (p Part) BuildTime(version string) time.Duration {
	rec, _, _ := recipeSet{fixtures.Images}.recipe(p, version)
	return time.Duration(rec.cost.Minutes) * time.Minute
}

// Path returns the place of the program in every image of the part, such as "/bin/nomad": in HashiCorp's as in those that are
// made here.
func (p Part) Path() string { return "/bin/" + p.Name() }

// Flag returns the command-line flag with which a user names a binary, such as "--nomad-binary".
func (p Part) Flag() string { return "--" + p.Name() + "-binary" }

// AsFile reports whether labs on Docker copy the program into their nodes, so that it is wanted as a file (ResolveFile) and
// not as an image (Resolve).
func (p Part) AsFile() bool { return p.facts().asFile }

// Official returns the name of HashiCorp's image of a version.
func (p Part) Official(version string) string { return p.officialRepository() + ":" + version }

// officialRepository is where HashiCorp publishes the images.
func (p Part) officialRepository() string { return "hashicorp/" + p.Name() }

// ourRepository is the name of the images that are made here; it is in no registry.
func (p Part) ourRepository() string { return "nomadlab/" + p.Name() }

// licence returns the name of the licence of a version.
func (p Part) licence(version string) string {
	first := p.facts().businessLicence
	if first == "" || semver.Compare("v"+version, first) < 0 {
		return "the Mozilla Public License 2.0"
	}
	return "the Business Source License 1.1"
}

// cleanVersion returns a version without a leading "v", or the default for "". The result is safe in a path and in an
// image's tag.
func (p Part) cleanVersion(version string) (string, error) {
	if version == "" {
		return p.DefaultVersion(), nil
	}
	clean := strings.TrimPrefix(version, "v")
	// semver accepts "1" and "1.11" too, but tags of those names move.
	if !semver.IsValid("v"+clean) || strings.Count(strings.SplitN(clean, "-", 2)[0], ".") != 2 || semver.Build("v"+clean) != "" {
		return "", &UnknownVersionError{Part: p, Version: version, Buildable: p.Versions()}
	}
	return clean, nil
}

// nameable returns what the user can name if nothing can be built: a binary, or also an image if one is wanted and there is
// a flag for it.
func (p Part) nameable(asImage bool) string {
	binary := fmt.Sprintf("a %s binary (%s)", p.Name(), p.Flag())
	if asImage && p.orNomad() == Nomad {
		return "an image (--image) or " + binary
	}
	return binary
}
