package agentconf

import (
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/json/scanner"
	"github.com/hashicorp/hcl/json/token"
)

// jsonReader reads JSON step by step as the parser of HCL 1 does (json/parser/parser.go of hcl v1.0.1-nomad-1). It uses
// that parser's scanner, whose tokens have positions; the parser's syntax tree has none. It records where that parser
// ignores invalid JSON, so that Nomad reads the rest differently from other readers.
type jsonReader struct {
	scanner *scanner.Scanner
	tok     token.Token
	odd     string
}

var errEnd = errors.New("EOF token found")

// parseJSON reads a text that the parser of HCL 1 accepts.
func parseJSON(text []byte) (*tree, error) {
	r := &jsonReader{scanner: scanner.New(text)}
	var fault error
	r.scanner.Error = func(pos token.Pos, msg string) { fault = fmt.Errorf("%s: %s", pos, msg) }
	r.scan()
	root, err := r.object()
	if fault != nil {
		return nil, fault
	}
	if err != nil {
		return nil, err
	}
	if r.tok.Type == token.RBRACE && r.scan().Type != token.EOF {
		r.oddity("Nomad does not read what is behind the closing brace")
	}
	return &tree{text: text, json: true, root: root.body, odd: r.odd}, nil
}

func (r *jsonReader) scan() token.Token {
	r.tok = r.scanner.Scan()
	return r.tok
}

func (r *jsonReader) oddity(what string) {
	if r.odd == "" {
		r.odd = fmt.Sprintf("%s: %s", r.tok.Pos, what)
	}
}

// here returns the span of the token.
func (r *jsonReader) here() span {
	return span{r.tok.Pos.Offset, r.tok.Pos.Offset + len(r.tok.Text)}
}

// object reads a block from the token, its opening brace, to its closing brace.
func (r *jsonReader) object() (value, error) {
	v := value{span: r.here(), kind: isBlock, body: &body{span: span{from: r.here().to}}}
	for {
		i, err := r.item()
		if errors.Is(err, errEnd) {
			break
		}
		if err != nil {
			if r.tok.Type != token.RBRACE {
				return v, err
			}
			if i != nil {
				r.oddity("Nomad passes over what is left of this block")
			}
			break
		}
		v.body.items = append(v.body.items, i)
		if r.scan().Type != token.COMMA {
			break
		}
	}
	if r.tok.Type != token.RBRACE {
		r.oddity("Nomad reads this as the end of a block")
	}
	v.body.to, v.to = r.here().from, r.here().to
	return v, nil
}

// item reads a name and its value. With an error, the item is nil if nothing of it was there.
func (r *jsonReader) item() (*item, error) {
	var i *item
	for {
		switch r.scan().Type {
		case token.EOF:
			return i, errEnd
		case token.STRING:
			if i == nil {
				i = &item{span: r.here()}
			} else {
				r.oddity("Nomad reads two names here")
			}
			i.names = append(i.names, nameOf(r.tok.HCLToken()))
		case token.COLON:
			if i == nil {
				return &item{}, fmt.Errorf("expected: STRING got: %s", r.tok.Type)
			}
			var err error
			i.val, err = r.value()
			i.to = i.val.to
			return i, err
		default:
			return i, fmt.Errorf("expected: STRING got: %s", r.tok.Type)
		}
	}
}

func (r *jsonReader) value() (value, error) {
	switch r.scan().Type {
	case token.NUMBER, token.FLOAT, token.BOOL, token.NULL, token.STRING:
		return r.literal(), nil
	case token.LBRACE:
		return r.object()
	case token.LBRACK:
		return r.list()
	case token.EOF:
		return value{}, errEnd
	default:
		return value{}, fmt.Errorf("Expected object value, got unknown token: %+v", r.tok) //nolint:staticcheck // HCL's words
	}
}

func (r *jsonReader) literal() value {
	v := literalValue(r.tok.HCLToken())
	v.span = r.here()
	return v
}

func (r *jsonReader) list() (value, error) {
	v := value{span: r.here(), kind: isList}
	for {
		switch r.scan().Type {
		case token.NUMBER, token.FLOAT, token.STRING:
			v.list = append(v.list, r.literal())
		case token.LBRACE:
			o, err := r.object()
			if err != nil {
				return v, err
			}
			v.list = append(v.list, o)
		case token.COMMA:
		case token.BOOL:
			r.oddity("Nomad passes over a boolean in a list")
		case token.LBRACK:
			r.oddity("Nomad passes over the bracket of a list in a list")
		case token.RBRACK:
			v.to = r.here().to
			return v, nil
		default:
			return v, fmt.Errorf("unexpected token while parsing list: %s", r.tok.Type)
		}
	}
}

// endOfJSON returns where the parser of HCL 1 gives up.
func endOfJSON(text []byte) (at token.Pos) {
	r := &jsonReader{scanner: scanner.New(text)}
	r.scanner.Error = func(token.Pos, string) {}
	defer func() {
		_ = recover()
		at = r.tok.Pos
	}()
	r.scan()
	_, _ = r.object()
	return r.tok.Pos
}
