package rollout_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nomadlab.internal/lab/rollout"
)

// TestPlanShowsNoContent holds that no way of printing a plan shows what is in its files.
func TestPlanShowsNoContent(t *testing.T) {
	const secret = "the-content-of-a-private-key"
	p := rollout.Plan{Title: "renew the certificates", Steps: []rollout.Step{{
		Node: "server-1", Title: "renew the certificate", Effect: rollout.Reload, Why: "a reload reads it",
		Files: []rollout.File{{Path: "/nomad/tls/key.pem", What: "private key", Data: []byte(secret)}},
		Await: []rollout.Await{rollout.Healthy("server-1")},
	}}}
	var text strings.Builder
	if err := p.Write(&text); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	bytesOf := fmt.Sprint([]byte(secret))
	for form, got := range map[string]string{
		"text": text.String(), "JSON": string(asJSON), "%v": fmt.Sprintf("%v", p), "%+v": fmt.Sprintf("%+v", p), "%#v": fmt.Sprintf("%#v", p),
		"a step": fmt.Sprintf("%+v %#v", p.Steps[0], p.Steps[0]), "a file": fmt.Sprintf("%v %+v %#v", p.Steps[0].Files[0], p.Steps[0].Files[0], p.Steps[0].Files[0]),
	} {
		if strings.Contains(got, secret) || strings.Contains(got, strings.Trim(bytesOf, "[]")) || strings.Contains(got, "0x74, 0x68, 0x65, 0x2d") {
			t.Errorf("%s shows the content of a file: %s", form, got)
		}
	}
	for _, want := range []string{"server-1: renew the certificate", "/nomad/tls/key.pem (private key)", "reload: a reload reads it", "server-1 is healthy"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
}
