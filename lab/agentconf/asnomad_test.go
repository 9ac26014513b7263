package agentconf_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/agentconf/model"
)

// seed gives other generated files: go test ./lab/agentconf -run AsNomad -seed 7.
var seed = flag.Uint64("seed", 1, "which files are generated")

// defaults is what an agent has that reads its overlay alone.
func defaults(t *testing.T, nomad string) (*model.Config, map[string]any) {
	t.Helper()
	a := newCheapAgent(t, nomad)
	said := a.ask(t, nil)
	if said.config == nil {
		t.Fatalf("an agent without any file does not start:\n%s", said.said)
	}
	text, err := json.Marshal(said.config)
	if err != nil {
		t.Fatal(err)
	}
	out := &model.Config{}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatal(err)
	}
	return out, said.config
}

// comparison is what a real agent is asked, and compared with.
type comparison struct {
	nomad    string
	defaults *model.Config
	// plain is what an agent without any file says.
	plain map[string]any
	// compared are settings, one by one; edited are files that were changed, unedited those that we would not change.
	compared, edited, unedited int
	started                    int
	refused                    int
	failed                     int
	// files are those that were compared, and took is the time of it, without that of edits.
	files int
	took  time.Duration
	// last is what the last agent said that failed to start.
	last string
}

// outcome is what became of files: taken, refused by Nomad, or a start that failed over something else.
type outcome string

const (
	taken  outcome = "taken"
	refuse outcome = "refused"
	failed outcome = "failed to start"
)

// compare asks a fresh agent what it has of the files, and fails where they are read otherwise.
func (c *comparison) compare(t *testing.T, g *generator, files agentconf.Files) outcome {
	t.Helper()
	begun := time.Now()
	a := newCheapAgent(t, c.nomad)
	err := append(slices.Clip(files), a.overlay()).CheckStart()
	a.ends = err != nil // an agent that ends over its files may answer before it does
	said := a.ask(t, files)
	c.took += time.Since(begun)
	c.files += len(files)
	c.started++
	switch {
	case said.refused && err == nil:
		t.Errorf("Nomad refuses it, and we do not:\n%s\n%s", said.said, shown(files))
		return refuse
	case err != nil: // and it has ended: ask demands that
		c.refused++
		checkWords(t, files, said.said, err)
		return refuse
	case said.config == nil:
		c.failed++
		c.last = said.said
		return failed
	}
	want := c.merged(t, append(slices.Clip(files), a.overlay()))
	if diff := gocmp.Diff(plainOf(said.config), want); diff != "" {
		t.Errorf("it is read otherwise than the agent has it (-agent +ours):\n%s\n%s", diff, shown(files))
	}
	if key := files.Text("server.encrypt"); key != "" && !slices.Equal(said.keys, []string{key}) {
		t.Errorf("the agent's gossip keys are %q, we read %q\n%s", said.keys, key, shown(files))
	}
	c.compareReads(t, files, said.config)
	if g != nil {
		c.compareEdit(t, g, files, said.config)
	}
	return taken
}

// Nomad completes the scheduler's block, once there is one and all files are merged (nomad/structs/operator.go, Canonicalize).
const schedulerAlgorithm, completedAlgorithm = "server.default_scheduler_config.scheduler_algorithm", "binpack"

// compareReads compares setting by setting what is read with what the agent says.
func (c *comparison) compareReads(t *testing.T, files agentconf.Files, says map[string]any) {
	t.Helper()
	for _, k := range table() {
		for _, path := range k.in(files) {
			hidden := slices.Contains([]string{"EncryptKey", "ProtocolVersion", "ReplicationToken"}, k.answer[len(k.answer)-1])
			if hidden || len(files.Lookup(agentconf.Path(path...))) == 0 {
				continue // the answer has not everything; gossip keys are compared with those that the agent lists
			}
			usual := k.said(c.plain, path)
			if agentconf.Path(path...) == schedulerAlgorithm {
				usual = completedAlgorithm
			}
			if read, is := k.read(t, files, path), k.said(says, path); !agree(read, is) && (!nothing(read) || !agree(is, usual)) {
				t.Errorf("%s is read as %#v, the agent has %#v\n%s", agentconf.Path(path...), read, is, shown(files))
			}
			c.compared++
		}
	}
}

// in are the paths at which the setting may stand in files: one for each label.
func (k known) in(files agentconf.Files) (out [][]string) {
	at := slices.Index(k.path, "*")
	if at < 0 {
		return [][]string{k.path}
	}
	for _, label := range files.Labels(strings.Join(k.path[:at], ".")) {
		path := slices.Clone(k.path)
		path[at] = label
		out = append(out, path)
	}
	return out
}

// read is what we read.
func (k known) read(t *testing.T, files agentconf.Files, path []string) any {
	t.Helper()
	at := agentconf.Path(path...)
	var out any
	var err error
	switch k.of.Kind() {
	case reflect.Bool:
		out, err = files.Flag(at)
	case reflect.Int:
		var n int
		n, _, err = files.Number(at)
		out = float64(n)
	case reflect.Float64:
		out, err = strconv.ParseFloat(cmp.Or(files.Text(at), "0"), 64)
	case reflect.Slice:
		out, err = files.Texts(at)
	case reflect.Map:
		m := map[string]any{}
		for _, name := range files.Names(at) {
			if text := files.Text(agentconf.Path(append(slices.Clip(path), name)...)); text != "" || k.of.Elem().Kind() == reflect.String {
				m[name] = text
			}
		}
		out = m
	default:
		out = files.Text(at)
	}
	if err != nil {
		t.Errorf("%s: %v\n%s", at, err, shown(files))
	}
	return out
}

// said is what the agent has of the setting.
func (k known) said(answer map[string]any, path []string) any {
	var v any = answer
	for i, name := range k.answer {
		if list, is := v.([]any); is && name == "*" {
			v = nil
			for _, block := range list { // of two with one label the last counts
				if b, _ := block.(map[string]any); b["Name"] == path[i] {
					v = block
				}
			}
			continue
		}
		block, _ := v.(map[string]any)
		v = block[name]
	}
	if config, is := v.(map[string]any); is && k.path[0] == "plugin" { // of which texts are compared, and what may be one
		v = maps.Collect(func(yield func(string, any) bool) {
			for name, inner := range config {
				if kind := reflect.TypeOf(inner).Kind(); kind != reflect.Slice && kind != reflect.Map {
					yield(name, inner)
				}
			}
		})
	}
	return v
}

// agree says whether two values are the same: texts of durations and what Nomad makes of them too.
func agree(read, is any) bool {
	if nothing(read) && nothing(is) {
		return true
	}
	if text, isText := read.(string); isText {
		if n, isNumber := is.(float64); isNumber {
			d, err := time.ParseDuration(text)
			return err == nil && float64(d) == n
		}
	}
	return fmt.Sprint(read) == fmt.Sprint(is)
}

func nothing(v any) bool {
	if v == nil || reflect.ValueOf(v).IsZero() {
		return true
	}
	kind := reflect.TypeOf(v).Kind()
	return (kind == reflect.Slice || kind == reflect.Map) && reflect.ValueOf(v).Len() == 0
}

// compareEdit changes a setting, and compares what the agent says with and without the change.
func (c *comparison) compareEdit(t *testing.T, g *generator, files agentconf.Files, before map[string]any) {
	t.Helper()
	k := g.table[g.IntN(len(g.table))]
	path := slices.Clone(k.path)
	if at := slices.Index(path, "*"); at >= 0 {
		path[at] = g.pick(labels(path[at-1]))
	}
	setting, value := agentconf.Path(path...), g.pick(k.values)
	edited, err := files.Set(setting, value)
	if len(files.Lookup(setting)) > 0 && g.IntN(2) == 0 {
		value = "(removed)"
		edited, err = files.Remove(setting)
	}
	if err != nil {
		c.unedited++
		t.Logf("%s = %s is refused: %v", setting, value, err)
		return
	}
	a := newCheapAgent(t, c.nomad)
	err = append(slices.Clip(edited), a.overlay()).CheckStart()
	a.ends = err != nil
	said := a.ask(t, edited)
	if err != nil { // such as a line that may not stand beside another, or a volume without its path
		checkWords(t, edited, said.said, err)
		return
	}
	if said.config == nil {
		t.Errorf("with %s = %s the agent does not start:\n%s\n%s%s", setting, value, said.said, shown(files), shown(edited))
		return
	}
	c.edited++
	was, is := k.without(before, path), k.without(said.config, path)
	if diff := gocmp.Diff(was, is); diff != "" {
		t.Errorf("%s = %s changes something else (-before +after):\n%s\n%s%s", setting, value, diff, shown(files), shown(edited))
	}
}

// without is an answer without the setting, and without what is another one of each agent.
func (k known) without(answer map[string]any, path []string) map[string]any {
	text, _ := json.Marshal(answer)
	out := map[string]any{}
	_ = json.Unmarshal(text, &out)
	for _, own := range []string{"DataDir", "Ports", "Addresses"} {
		delete(out, own)
	}
	cut(out, k.answer, path)
	if k.answer[0] == "Server" && k.answer[1] == "DefaultSchedulerConfig" { // which Nomad completes, once there is one
		cut(out, []string{"Server", "DefaultSchedulerConfig", "SchedulerAlgorithm"}, path)
	}
	return plainOf(out)
}

func cut(from map[string]any, answer, path []string) {
	switch inner := from[answer[0]].(type) {
	case map[string]any:
		if len(answer) > 1 {
			cut(inner, answer[1:], path[1:])
			return
		}
	case []any:
		if len(answer) > 2 && answer[1] == "*" {
			var left []any
			for _, block := range inner {
				if b, is := block.(map[string]any); is && b["Name"] == path[1] {
					cut(b, answer[2:], path[2:])
					if b["Path"] == nil && len(b) <= 3 || len(withoutEmpty(b).(map[string]any)) == 1 {
						continue
					}
				}
				left = append(left, block)
			}
			from[answer[0]] = left
			return
		}
	}
	delete(from, answer[0])
	delete(from, answer[0]+"HCL") // the text that a duration was read from
}

// place is how a refusal of ours begins: with the file, the line and the column.
var place = regexp.MustCompile(`^(\d+\.\w+):(\d+)(?::\d+: |: .*: the agent would not start: )`)

// setting is what we add to words that do not name one.
var setting = regexp.MustCompile(` \([^()]*\)$`)

// checkWords sees that a refusal of ours names a place in one of the files, and says what Nomad says.
func checkWords(t *testing.T, files agentconf.Files, said string, err error) {
	t.Helper()
	ours, _, _ := strings.Cut(err.Error(), "\n") // of several files the first, as Nomad stops there
	at := place.FindStringSubmatch(ours)
	if at == nil || !slices.ContainsFunc(files, func(f agentconf.File) bool { return f.Name() == at[1] }) {
		t.Errorf("refused without a place in a file: %v\n%s", err, shown(files))
		return
	}
	if words := strings.TrimPrefix(setting.ReplaceAllString(ours[len(at[0]):], ""), model.ErrPanic.Error()+": "); !strings.Contains(said, words) {
		t.Errorf("we say %q, Nomad says %s", ours, said)
	}
}

// merged is what we make of the files over Nomad's defaults.
func (c *comparison) merged(t *testing.T, files agentconf.Files) map[string]any {
	t.Helper()
	out := c.defaults
	for _, f := range files {
		parsed, err := model.Parse(f.Text())
		if err != nil {
			t.Fatal(err)
		}
		if out, err = model.Merge(out, parsed); err != nil {
			t.Fatal(err)
		}
	}
	if s := out.Server.DefaultSchedulerConfig; s != nil && s.SchedulerAlgorithm == "" {
		s.SchedulerAlgorithm = completedAlgorithm
	}
	if acl := out.ACL; acl != nil && acl.ReplicationToken != "" {
		hidden := *acl
		hidden.ReplicationToken = "<redacted>" // command/agent/agent_endpoint.go:90
		with := *out
		with.ACL = &hidden
		out = &with
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var as map[string]any
	if err := json.Unmarshal(text, &as); err != nil {
		t.Fatal(err)
	}
	return plainOf(as)
}

// plainOf is an answer without what an agent adds to what it has read, and with nothing in the place of empty lists and
// blocks, which the answer writes in several ways.
func plainOf(answer map[string]any) map[string]any {
	out := maps.Clone(answer)
	for _, derived := range []string{"Version", "Files", "AdvertiseAddrs", "PluginDir"} {
		delete(out, derived)
	}
	plain, _ := withoutEmpty(out).(map[string]any)
	if plugins, is := plain["Plugins"].([]any); is { // which Nomad merges by a map, in any order
		slices.SortFunc(plugins, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
	return plain
}

func withoutEmpty(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, inner := range v {
			if w := withoutEmpty(inner); w != nil && !reflect.ValueOf(w).IsZero() {
				out[k] = w
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		var out []any
		for _, inner := range v {
			out = append(out, withoutEmpty(inner))
		}
		if out == nil {
			return nil
		}
		return out
	default:
		return v
	}
}

func shown(files agentconf.Files) string {
	var out strings.Builder
	for _, f := range files {
		fmt.Fprintf(&out, "--- %s\n%s\n", f.Name(), f.Text())
	}
	return out.String()
}

// TestMergesAsNomad compares a sample of generated files.
func TestMergesAsNomad(t *testing.T) { compareGenerated(t, 60) }

// TestProofOfMerging compares some hundreds.
func TestProofOfMerging(t *testing.T) { compareGenerated(t, 600) }

func compareGenerated(t *testing.T, n int) {
	t.Helper()
	nomad := realNomad(t)
	c := comparison{nomad: nomad}
	c.defaults, c.plain = defaults(t, nomad)
	g := generator{Rand: rand.New(rand.NewPCG(*seed, 0)), table: table()} //nolint:gosec // the same files each time
	for i := range n {
		g.wrong = 0
		if i%4 == 3 {
			g.wrong = 12
		}
		generated := g.files()
		t.Run(fmt.Sprint(i), func(t *testing.T) { t.Log(c.compare(t, &g, generated), generated.Check()) })
	}
	t.Logf("%d files in %d agents, of %d settings: %d agents refused by Nomad and by us, %d failed to start, %d settings compared, %d changed, %d not",
		c.files, c.started, len(g.table), c.refused, c.failed, c.compared, c.edited, c.unedited)
	if c.refused == 0 || c.failed > c.started/10 || c.refused > c.started*2/3 {
		t.Errorf("of %d agents %d were refused and %d failed: too little is compared", c.started, c.refused, c.failed)
	}
	c.inTime(t)
}

// inTime fails where a file took more than half a second on the average: more of them would not be compared then. A busy machine is
// given more.
func (c *comparison) inTime(t *testing.T) {
	t.Helper()
	each, most := c.took/time.Duration(c.files), deadline.Stretch(500*time.Millisecond)
	if t.Logf("%v a file, of %d", each, c.files); each > most {
		t.Errorf("%v a file, want at most %v", each, most)
	}
}
