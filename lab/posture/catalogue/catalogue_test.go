package catalogue_test

import (
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/posture/caller"
	"nomadlab.internal/lab/posture/catalogue"
	"nomadlab.internal/lab/probe"
)

// ids returns the IDs of the checks that the ingredients make.
func ids(t *testing.T, i catalogue.Ingredients) []string {
	t.Helper()
	checks, err := catalogue.All(i)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range checks {
		all = append(all, c.Spec().ID)
	}
	return all
}

// minted returns the ingredients of a user with the authority's key.
func minted(t *testing.T) catalogue.Ingredients {
	t.Helper()
	i, _ := mintedBy(t)
	return i
}

func mintedBy(t *testing.T) (catalogue.Ingredients, *pki.Authority) {
	t.Helper()
	a, err := pki.NewAuthority(pki.Options{CommonName: "a cluster's", Intermediates: 1})
	if err != nil {
		t.Fatal(err)
	}
	callers, err := caller.Mint(a, "")
	if err != nil {
		t.Fatal(err)
	}
	return catalogue.Ingredients{
		Callers: callers, Management: "S3CR3T-token", GossipKey: "S3CR3T+gossip+key+of+32+bytes+length+AAAAAA=",
		Authorities: []*x509.Certificate{authority(t, "a cluster's")}, AllAuthorities: true,
	}, a
}

// check returns the check of that ID for these ingredients.
func check(t *testing.T, i catalogue.Ingredients, id string) posture.Check {
	t.Helper()
	checks, err := catalogue.All(i)
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := posture.Choose(checks, id)
	if err != nil {
		t.Fatal(err)
	}
	return chosen[0]
}

// TestMissingIngredientsLeaveNothingOut: all ingredients make the same checks.
func TestMissingIngredientsLeaveNothingOut(t *testing.T) {
	all, none := ids(t, minted(t)), ids(t, catalogue.Ingredients{})
	if len(all) < 60 || strings.Join(all, " ") != strings.Join(none, " ") {
		t.Errorf("with everything there are %d checks, with nothing %d: want the same, in the same order", len(all), len(none))
	}
}

// TestNoCheckSkipsWithoutAReason: a check with a missing ingredient says so, and one with all of them does not.
func TestNoCheckSkipsWithoutAReason(t *testing.T) {
	full := minted(t)
	checks, err := catalogue.All(full)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		// What only a running lab has, a workload to look at and an introduction, is not there.
		if s := c.Spec(); strings.Contains(s.Missing, "certificate") || strings.Contains(s.Missing, "management token") || strings.Contains(s.Missing, "gossip key") {
			t.Errorf("%s lacks %q, and all was there", s.ID, s.Missing)
		}
	}
	checks, err = catalogue.All(catalogue.Ingredients{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if s := c.Spec(); s.Missing == "" && s.Plane != probe.PlaneNetwork {
			t.Errorf("%s lacks nothing, and nothing was there: its control would tell nothing of the agent", c.Spec().ID)
		}
	}
}

// TestEachIngredientIsMissed by the checks that need it, by name.
func TestEachIngredientIsMissed(t *testing.T) {
	for missing, c := range map[string]struct {
		take func(*catalogue.Ingredients)
		from string
	}{
		"a management token is not at hand":             {func(i *catalogue.Ingredients) { i.Management = "" }, "gossip-ring-has-one-key"},
		"the cluster's gossip key is not at hand":       {func(i *catalogue.Ingredients) { i.GossipKey = "" }, "gossip-refuses-no-key"},
		"it is not known which authorities the cluster": {func(i *catalogue.Ingredients) { i.Authorities = nil }, "server-https-trusts-no-other-authority"},
		"nobody was made who holds":                     {func(i *catalogue.Ingredients) { i.Callers = caller.Set{} }, "rpc-refuses-cli-certificate"},
	} {
		i := minted(t)
		c.take(&i)
		checks, err := catalogue.All(i)
		if err != nil {
			t.Fatal(err)
		}
		for _, check := range checks {
			if s := check.Spec(); s.ID == c.from && !strings.Contains(s.Missing, missing) {
				t.Errorf("%s lacks %q, want %q", s.ID, s.Missing, missing)
			}
		}
	}
}

// TestAgentsThatTellNothing: about an agent that does not exist, and one that closes every connection, no check
// passes or fails.
func TestAgentsThatTellNothing(t *testing.T) {
	checks, err := catalogue.All(minted(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, addr := range map[string]string{"dead": "127.0.0.1:1", "closing": closing(t)} {
		t.Run(name, func(t *testing.T) {
			for _, role := range []pki.Role{pki.Server, pki.Client} {
				agent := probe.Target{Name: name, Role: role, Region: "global", HTTP: addr, RPC: addr, Gossip: addr, ServerName: "server.global.nomad"}
				for _, c := range checks {
					if c.Spec().Lane != posture.Quick {
						continue
					}
					if f := c.Evaluate(t.Context(), agent); f.Result == finding.Pass || f.Result == finding.Fail {
						t.Errorf("%s: %s because %s", f.ID, f.Result, f.Reason)
					}
				}
			}
		})
	}
}

// closing returns the address of a listener that closes every connection.
func closing(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// TestIngredientsPrintNoSecret, whatever the verb.
func TestIngredientsPrintNoSecret(t *testing.T) {
	i := minted(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, i); strings.Contains(text, "S3CR3T") {
			t.Errorf("%s prints a secret", verb)
		}
	}
	checks, err := catalogue.All(i)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		s := c.Spec()
		if strings.Contains(fmt.Sprintf("%+v %s %s", s, s.Probe.Sentence, s.Control.Sentence), "S3CR3T") {
			t.Errorf("%s prints a secret", s.ID)
		}
	}
}

// TestDenialsAreInNomadsWords: the refusal of a right must say so. "Not found" is what every caller gets.
func TestDenialsAreInNomadsWords(t *testing.T) {
	checks, err := catalogue.All(minted(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		s := c.Spec()
		if s.Plane == probe.PlaneHTTP && len(s.Want) == 1 && s.Want[0] == probe.Denied && s.Answer == "" {
			t.Errorf("%s would hold for any answer of 4xx", s.ID)
		}
	}
}

// TestQuestionsOfTheCluster lists the checks that are asked once per region. All others are asked of each agent, as
// its own configuration decides.
func TestQuestionsOfTheCluster(t *testing.T) {
	of := func(i catalogue.Ingredients) []string {
		checks, err := catalogue.All(i)
		if err != nil {
			t.Fatal(err)
		}
		var once []string
		for _, c := range checks {
			if c.Spec().PerRegion {
				once = append(once, c.Spec().ID)
			}
		}
		slices.Sort(once)
		return once
	}
	want := []string{
		"gossip-keys-are-secret", "gossip-keys-have-32-bytes", "gossip-ring-has-one-key", // each server's query asks all servers
		"introduction-tokens-live-an-hour-at-most",                                                                                                           // the leader makes them
		"policies-of-jobs-change-no-nodes", "policies-of-jobs-look-into-no-others", "policies-of-jobs-rule-no-others", "policies-of-jobs-rule-not-their-own", // policies are of one state, and so many of them are read once
		"rpc-gives-no-first-token-to-a-client",                // there is one first token
		"server-lets-no-client-register-without-introduction", // the leader lets clients register
		"server-makes-no-token-that-ends-in-over-a-month",     // the leader makes them
	}
	i := minted(t)
	if diff := cmp.Diff(want, of(i)); diff != "" {
		t.Errorf("asked once (-want +got):\n%s", diff)
	}
	i.NoClient = true
	if diff := cmp.Diff(append([]string{"client-offers-no-raw-exec"}, want...), of(i)); diff != "" {
		t.Errorf("asked once where no client is known (-want +got):\n%s", diff)
	}
}

// restsOnNone lists the checks that no line of a configuration makes fail, and why.
func restsOnNone() map[string]string {
	const bootstrap = "it rests on `nomad acl bootstrap` before any other caller, and on no file in data_dir that asks for another one"
	return map[string]string{
		"server-lets-nobody-bootstrap-acls-again": bootstrap,
		"rpc-gives-no-first-token-to-a-client":    bootstrap,
	}
}

// TestEveryCheckNamesItsSettings, or is listed as resting on none.
func TestEveryCheckNamesItsSettings(t *testing.T) {
	checks, err := catalogue.All(catalogue.Ingredients{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		s := c.Spec()
		if why, none := restsOnNone()[s.ID]; none != (len(s.Settings) == 0) {
			t.Errorf("%s names the settings %q, and why it rests on none is %q", s.ID, s.Settings, why)
		}
	}
}

// TestStandIns: where a lab's own certificates stand in for a user's, exactly the checks of certificates and trust
// are skipped for that reason.
func TestStandIns(t *testing.T) {
	const reason = "the lab's own stood in for them"
	skippedFor := func(roles ...pki.Role) []string {
		with := minted(t)
		with.StandIns = map[pki.Role]string{}
		for _, role := range roles {
			with.StandIns[role] = reason
		}
		all, err := catalogue.All(with)
		if err != nil {
			t.Fatal(err)
		}
		var skipped []string
		for _, c := range all {
			if s := c.Spec(); s.Missing == reason {
				skipped = append(skipped, s.ID)
			}
		}
		return skipped
	}
	skipped := skippedFor(pki.Server, pki.Client)
	want := []string{"rpc-trusts-no-other-authority"}
	for _, role := range []string{"server", "client"} {
		want = append(want, role+"-https-trusts-no-other-authority")
		for _, trait := range []string{
			"names-no-second-role", "names-no-second-region", "has-no-wildcard", "is-for-tls-alone", "has-a-strong-key", "cannot-sign",
			"lasts-another-day", "lives-at-most-13-months", "names-a-host",
		} {
			want = append(want, role+"-certificate-"+trait)
		}
	}
	want = append(want, "client-certificate-names-its-own-role")
	slices.Sort(want)
	slices.Sort(skipped)
	if !slices.Equal(skipped, want) {
		t.Errorf("%q are skipped, want %q", skipped, want)
	}
	for role, other := range map[pki.Role]string{pki.Server: "client", pki.Client: "server"} {
		ofOne := slices.DeleteFunc(slices.Clone(want), func(id string) bool { return strings.HasPrefix(id, other+"-certificate-") })
		got := skippedFor(role)
		if slices.Sort(got); !slices.Equal(got, ofOne) {
			t.Errorf("of the %ss' alone %q are skipped, want %q", role, got, ofOne)
		}
	}
}
