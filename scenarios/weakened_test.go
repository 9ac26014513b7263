package scenarios_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/story"
	"nomadlab.internal/scenarios"
)

// weakened is a lab with one thing wrong, and where a scenario must fail on it.
type weakened struct {
	scenario string
	weaken   string
	spec     func(*lab.Spec)
	// fails is what the scenario's error must say: the check or the step that caught it.
	fails string
}

func without(w lab.Weakness) func(*lab.Spec) { return lab.Weaken(w) }

// joinerHasTheLabsKey makes a stranger one of the family.
func joinerHasTheLabsKey(i int) func(*lab.Spec) {
	return func(s *lab.Spec) { s.Joiners[i].Gossip = lab.LabKey }
}

func weakenedLabs() []weakened {
	return []weakened{
		{"plain-http-is-rejected", "tls.http is off", without(lab.NoHTTPTLS), "http-refuses-plaintext on server-1: broken"},
		{"plain-http-is-rejected", "tls.rpc is off", without(lab.NoRPCTLS), "rpc-refuses-plaintext on server-1: broken"},
		{"wrong-role-certificates-are-rejected", "verify_server_hostname is off", without(lab.NoVerifyServerHostname), "rpc-refuses-cli on server-1: broken"},
		{"wrong-role-certificates-are-rejected", "verify_https_client is off", without(lab.NoVerifyHTTPSClient), "http-lets-in-server on server-1: not carried out: the control gave \"accepted\""},
		{"gossip-is-encrypted", "encrypt is left out", without(lab.NoGossipKey), `serf.encrypted is "false"`},
		{"gossip-is-encrypted", "the server without a key has the lab's", joinerHasTheLabsKey(0), "counts no-key among its members"},
		{"gossip-is-encrypted", "the server with another key has the lab's", joinerHasTheLabsKey(1), "counts other-key among its members"},
		{"a-leader-is-elected-and-elected-again", "two servers, of which one does not suffice", lab.Servers(2), "voters"},
		{"work-runs-over-mtls", "verify_https_client is off", without(lab.NoVerifyHTTPSClient), "http-hides-logs-from-strangers on server-1: broken"},
	}
}

// TestScenariosCanFail takes one protection away at a time. The scenario that stands for it must fail, and where it
// stands for it: a check that passes on an open cluster tells an operator that it is shut.
func TestScenariosCanFail(t *testing.T) {
	for _, w := range weakenedLabs() {
		t.Run(w.scenario+"/"+w.weaken, func(t *testing.T) {
			t.Parallel()
			found, err := scenarios.Find(w.scenario)
			if err != nil {
				t.Fatal(err)
			}
			l := labtest.Start(t, lab.Like(found[0].Spec), w.spec)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err = found[0].Run(ctx, l, silent{})
			if err == nil {
				t.Fatalf("the scenario passed, although %s", w.weaken)
			}
			_, _ = fmt.Fprintf(t.Output(), "%s, and so the scenario failed: %v\n", w.weaken, err)
			if !strings.Contains(err.Error(), w.fails) {
				t.Fatalf("it was to fail at %q", w.fails)
			}
		})
	}
}

// silent is a narrator for stories that are to fail.
type silent struct{}

func (silent) Begin(story.Step, int, int)           {}
func (silent) Say(string)                           {}
func (silent) Found(finding.Finding)                {}
func (silent) End(story.Step, time.Duration, error) {}
