package agentconf_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl"
	"github.com/hashicorp/hcl/hcl/ast"
	"github.com/hashicorp/hcl/hcl/token"

	"nomadlab.internal/lab/agentconf"
)

// nasty are texts that Nomad's parser takes, written to mislead an editor.
var nasty = []string{
	"", "\n", "# nothing", "{}", " \t{\n}\n", "tls{}", "z=080\na=1 b=2,c=\"3\"d=4 e{}f{}",
	"tls { http = true, rpc = true } # tls { http = false }\n",
	"tls = { \"http\" = true }, name = \"}{\" // }\n/* tls { http = false } */ tls { /* } */ }\n",
	"name = <<EOF\ntls {\n  http = true\n}\nEOF\ntls {\n  http = true\n}\n",
	"a { b = <<-E\n    x\n    E\n  tls = 1 }\n",
	"name = \"${\"{}\"}\\\"\"\r\ntls {\r\n\thttp=true\t#\r\n}\r\n\r\n",
	"client {\n  meta { a = 1 } options { driver.raw_exec.enable = \"1\", \"b.c\"=\"d\" }\n  host_volume \"a.b\" { path = \"/\" }\n}\n",
	"plugin raw_exec { config = { enabled = true } }\nplugin \"raw_exec\" { config { no_cgroups = true\n} }\nplugin { docker { config {} } }",
	"Tls { HTTP = true }\nTLS { http = false\n http = true }\n",
	"a = [ 1, # x\n  \"]\", /* ] */ <<E\n]\nE\n, { b = [] }, [2]\n]\nb = 0x1F\nc = -1.5e3\nd = 010\n",
	"\"quoted name\" \"label\" { \"a\\\"b\" = \"\\u00e9日本\" }",
	`{"tls": {"http": true, "rpc": "1"}, "name": "{\"tls\"", "client": [{"meta": [{"a.b": null}], "servers": ["a", "b"]}, {}]}`,
	`{"plugin": {"raw_exec": {"config": {"enabled": true}}, "docker": [{"config": [{"x": {"y": 1}}]}]}, }`,
	"{\r\n\t\"server\": {\r\n\t\t\"client_introduction\": {\"enforcement\": \"none\"},\r\n\t\t\"enabled\": true\r\n\t}\r\n}\r\n",
	`{"tls": {"http": true "rpc": false}, "a": [true, [1]], "b": 2}`, `{"a" "b": {"c": 1}}`, `{"tls": {"http": true`,
}

var (
	fuzzPaths = []string{
		"tls.http", "tls", "tls.rpc", "name", "client.servers", `client.options."b.c"`, "client.meta", `client.meta."a.b"`, "plugin.raw_exec.config.enabled",
		"plugin.docker.config.x.y", "server.client_introduction.enforcement", "server.enabled", "a", "b", "a.b", `client.host_volume."a.b".path`,
		`"quoted name".label."a\"b"`,
	}
	// fuzzValues are values; an empty one takes the setting out.
	fuzzValues = []string{"", "true", "false", `"x"`, `"a\"}\n# {"`, "7", "0x10", `["a", "b"]`, "[]", "{}", `{ a = 1, "b.c" = "d" }`, "<<E\n}\n\"\nE"}
)

// settingsOf are the settings of a text, path and value, as HCL 1 reads them; those at and below the path are left out, and so are
// empty blocks on the way to it. It is written without a look at the package.
func settingsOf(t *testing.T, text []byte, without []string) []string {
	t.Helper()
	f, err := hcl.ParseBytes(text)
	if err != nil {
		t.Fatalf("HCL 1 cannot read it any more: %v\n%s", err, text)
	}
	out := []string{}
	var walk func(node ast.Node, at []string)
	walk = func(node ast.Node, at []string) {
		below := len(at) >= len(without) && slices.EqualFunc(at[:len(without)], without, strings.EqualFold)
		above := len(at) < len(without) && slices.EqualFunc(at, without[:len(at)], strings.EqualFold)
		switch n := node.(type) {
		case *ast.ObjectList:
			for _, i := range n.Items {
				here := slices.Clone(at)
				for _, k := range i.Keys {
					here = append(here, k.Token.Value().(string))
				}
				walk(i.Val, here)
			}
		case *ast.ObjectType:
			if len(n.List.Items) == 0 && !below && !above {
				out = append(out, fmt.Sprintf("%q = {}", at))
			}
			walk(n.List, at)
		case *ast.ListType:
			out = append(out, fmt.Sprintf("%q = [%d", at, len(n.List)))
			if below || above || !slices.ContainsFunc(n.List, func(e ast.Node) bool { _, is := e.(*ast.ObjectType); return !is }) {
				out = out[:len(out)-1]
			}
			for _, e := range n.List {
				walk(e, at)
			}
		case *ast.LiteralType:
			var value any = n.Token.Text
			if n.Token.Type == token.STRING || n.Token.Type == token.HEREDOC {
				value = n.Token.Value()
			}
			if !below {
				out = append(out, fmt.Sprintf("%q = %q", at, value))
			}
		}
	}
	walk(f.Node, nil)
	return out
}

// namesOf are the names of a path of fuzzPaths.
func namesOf(path string) []string {
	switch path {
	case `client.options."b.c"`:
		return []string{"client", "options", "b.c"}
	case `client.meta."a.b"`:
		return []string{"client", "meta", "a.b"}
	case `client.host_volume."a.b".path`:
		return []string{"client", "host_volume", "a.b", "path"}
	case `"quoted name".label."a\"b"`:
		return []string{"quoted name", "label", `a"b`}
	}
	return strings.Split(path, ".")
}

// readable says whether HCL 1 reads a text, whatever is in it.
func readable(text string) (is bool) {
	defer func() { _ = recover() }()
	_, err := hcl.ParseBytes([]byte(text))
	return err == nil
}

// checkEdit changes a text in one way, and looks at what came out. It says whether the change was made, or refused, as it must
// be where Nomad takes the text and would refuse the changed one.
func checkEdit(t *testing.T, text, path, value string) (made, refused bool) {
	t.Helper()
	files := file(text)
	if !readable(text) {
		return false, false
	}
	var changed agentconf.Files
	var err error
	if value == "" {
		changed, err = files.Remove(path)
	} else {
		changed, err = files.Set(path, value)
	}
	if string(files[0].Text()) != text {
		t.Fatalf("the given text changed to %q", files[0].Text())
	}
	if err != nil {
		return false, !strings.Contains(err.Error(), "afterwards the configuration cannot be read")
	}
	got := changed[0].Text()
	names := namesOf(path)
	if diff := cmp.Diff(settingsOf(t, []byte(text), names), settingsOf(t, got, names)); diff != "" {
		t.Fatalf("%s = %s changed other settings in\n%s\nto\n%s\n(-before +after):\n%s", path, value, text, got, diff)
	}
	switch lines := changed.Lookup(path); {
	case value == "" && len(lines) > 0:
		t.Fatalf("%s is still there: %v\n%s", path, lines, got)
	case value == "":
	case len(lines) == 0:
		t.Fatalf("%s = %s is nowhere in\n%s", path, value, got)
	case changed.Check() != nil: // no agent has the text, or would have the changed one
	case value == "true" || value == "false":
		if is, err := changed.Flag(path); err != nil || fmt.Sprint(is) != value {
			t.Fatalf("%s is %v, %v, want %s:\n%s", path, is, err, value, got)
		}
	case value == `"x"` && changed.Text(path) != "x":
		t.Fatalf("%s is %q:\n%s", path, changed.Text(path), got)
	case value == "0x10":
		if n, _, err := changed.Number(path); err != nil || n != 16 {
			t.Fatalf("%s is %v, %v:\n%s", path, n, err, got)
		}
	case value == `["a", "b"]`:
		if l, err := changed.Texts(path); err != nil || !slices.Equal(l, []string{"a", "b"}) {
			t.Fatalf("%s is %v, %v:\n%s", path, l, err, got)
		}
	}
	// A second time, it changes nothing.
	if value != "" {
		again, err := changed.Set(path, value)
		if err != nil {
			t.Fatalf("%s = %s a second time: %v\n%s", path, value, err, got)
		}
		if _, empty := strings.CutPrefix(value, "["); !empty && string(again[0].Text()) != string(got) {
			t.Fatalf("%s = %s a second time changed\n%s\nto\n%s", path, value, got, again[0].Text())
		}
	}
	return true, false
}

// TestNastyFiles changes every setting of every nasty text, to every third value in turn. Most must be possible: an editor that refuses all would pass too.
func TestNastyFiles(t *testing.T) {
	made, refused := 0, 0
	for i, text := range nasty {
		for j, path := range fuzzPaths {
			for k, value := range fuzzValues {
				if (i+j+k)%3 > 0 || value == "" && len(file(text).Lookup(path)) == 0 {
					continue
				}
				switch done, not := checkEdit(t, text, path, value); {
				case done:
					made++
				case not:
					refused++
				}
			}
		}
	}
	if made < 3*refused {
		t.Errorf("%d changes were made, %d refused", made, refused)
	}
	t.Logf("%d changes were made, %d refused", made, refused)
}

func FuzzEdit(f *testing.F) {
	for i, text := range nasty {
		f.Add(text, uint8(i), uint8(3*i))
		f.Add(text, uint8(5*i), uint8(i))
	}
	f.Fuzz(func(t *testing.T, text string, path, value uint8) {
		checkEdit(t, text, fuzzPaths[int(path)%len(fuzzPaths)], fuzzValues[int(value)%len(fuzzValues)])
	})
}
