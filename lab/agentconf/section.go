package agentconf

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// section is one HCL body that is being written, from top to bottom.
type section struct{ body *hclwrite.Body }

// pair is one entry of a map whose order is kept.
type pair struct{ key, value string }

// comment writes text above what is written next, one comment line for each of its lines.
func (s section) comment(text string) {
	for line := range strings.Lines(text) {
		s.body.AppendUnstructuredTokens(hclwrite.Tokens{{
			Type:  hclsyntax.TokenComment,
			Bytes: []byte("# " + strings.TrimSuffix(line, "\n") + "\n"),
		}})
	}
}

// gap writes an empty line.
func (s section) gap() { s.body.AppendNewline() }

// block writes a block and returns its body.
func (s section) block(kind string, labels ...string) section {
	return section{s.body.AppendNewBlock(kind, labels).Body()}
}

func (s section) text(name, value string) { s.body.SetAttributeRaw(name, quoted(value)) }

func (s section) flag(name string, value bool) {
	s.body.SetAttributeValue(name, cty.BoolVal(value))
}

func (s section) number(name string, value int) {
	s.body.SetAttributeValue(name, cty.NumberIntVal(int64(value)))
}

func (s section) list(name string, values []string) {
	elements := make([]hclwrite.Tokens, len(values))
	for i, value := range values {
		elements[i] = quoted(value)
	}
	s.body.SetAttributeRaw(name, hclwrite.TokensForTuple(elements))
}

func (s section) table(name string, pairs ...pair) {
	entries := make([]hclwrite.ObjectAttrTokens, len(pairs))
	for i, p := range pairs {
		entries[i] = hclwrite.ObjectAttrTokens{Name: quoted(p.key), Value: quoted(p.value)}
	}
	s.body.SetAttributeRaw(name, hclwrite.TokensForObject(entries))
}

// quoted returns the tokens of a string literal that HCL 1 and HCL 2 read alike.
//
// hclwrite.TokensForValue is not used for strings: it escapes "${" as "$${",
// which HCL 1 copies as it stands (hcl/strconv/quote.go of hcl v1), and cty
// normalizes Unicode, which changes file names.
func quoted(value string) hclwrite.Tokens {
	tokens := hclwrite.Tokens{{Type: hclsyntax.TokenOQuote, Bytes: []byte(`"`)}}
	if value != "" {
		tokens = append(tokens, &hclwrite.Token{Type: hclsyntax.TokenQuotedLit, Bytes: []byte(escape(value))})
	}
	return append(tokens, &hclwrite.Token{Type: hclsyntax.TokenCQuote, Bytes: []byte(`"`)})
}

func escape(value string) string {
	var out strings.Builder
	for i, r := range value {
		opensTemplate := strings.HasPrefix(value[i:], "${") || strings.HasPrefix(value[i:], "%{")
		switch {
		case r == '"' || r == '\\':
			out.WriteRune('\\')
			out.WriteRune(r)
		case r > 0xffff && !unicode.IsPrint(r):
			fmt.Fprintf(&out, `\U%08x`, r)
		case opensTemplate || !unicode.IsPrint(r):
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}
