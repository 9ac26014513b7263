package nomadcli

import (
	"fmt"
	"strings"

	"nomadlab.internal/lab/spec"
)

// refusal is a command that Nomad refused. It wraps spec.ErrInvalid if the user can put it right.
type refusal struct {
	command string
	code    int
	said    string
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("`%s` ended with %d and said:\n%s", r.command, r.code, r.said)
	if remedy := r.remedy(); remedy != "" {
		text += "\n" + remedy
	}
	return text
}

// Unwrap makes errors.Is(err, spec.ErrInvalid) hold for what the user can put right.
func (r *refusal) Unwrap() error {
	if r.remedy() == "" {
		return nil
	}
	return spec.ErrInvalid
}

// remedy returns what to do, or "" if Nomad's text is not known. The texts are those of Nomad 1.11.3, command/tls_ca_create.go and
// crypto/x509.
func (r *refusal) remedy() string {
	for _, known := range []struct{ text, remedy string }{
		{"is not permitted by any constraint", "Add a domain of that name to the additional domains of the authority, or leave out the name."},
		{"Please provide the -domain flag", "Set a domain of your own beside the name constraint: Nomad confines no authority to the domain nomad alone."},
		{"Please provide the -name-constraint flag", "Set the name constraint too, or leave out the domain: without the constraint the authority may sign any name."},
	} {
		if strings.Contains(r.said, known.text) {
			return known.remedy
		}
	}
	return ""
}

// maxComplaint is how many lines of Nomad's message an error has: an unknown flag makes it print its whole help.
const maxComplaint = 5

// complaint returns what Nomad said without what it says about certificates that it makes: lines that begin with "==>", and their
// continuations, which are indented.
func complaint(said string) string {
	var lines []string
	for line := range strings.Lines(said) {
		line = strings.TrimRight(line, "\n")
		about := strings.HasPrefix(line, "==>") || strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "For additional help")
		if line != "" && !about && len(lines) < maxComplaint {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}
