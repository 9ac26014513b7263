package labtest_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/spec"
)

// edited is an engine that changes the nodes' configuration.
type edited struct {
	engine.Engine
	old, with string
}

func (e edited) Create(ctx context.Context, n engine.Node) error {
	for i, f := range n.Files {
		n.Files[i].Data = []byte(strings.ReplaceAll(string(f.Data), e.old, e.with))
	}
	return e.Engine.Create(ctx, n)
}

// TestHardenedLabWithItsACLsEditedOut comes up all the same, and has no token.
func TestHardenedLabWithItsACLsEditedOut(t *testing.T) {
	t.Parallel()
	e := edited{labtest.EngineOf(t, engines.Process), "acl {\n  enabled = true", "acl {\n  enabled = false"}
	l, err := lab.Up(t.Context(), e, spec.Spec{}.With(spec.Name(victimName()), spec.Servers(1), spec.Clients(1), spec.Hardened()), lab.UpOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Down(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if _, err := os.Stat(filepath.Join(filepath.Dir(l.TLSFolder()), "management.token")); !errors.Is(err, os.ErrNotExist) || l.ManagementToken() != "" {
		t.Errorf("it has a token: %v", err)
	}
	if got := status(t, l.Servers()[0], "", "/v1/nodes"); got != http.StatusOK || !l.Status(t.Context()).Ready {
		t.Errorf("anonymous gets %d, trouble %v", got, l.Status(t.Context()).Trouble)
	}
}

// TestNotBootstrapped leaves the token to the first caller who bootstraps, who gets it once.
func TestNotBootstrapped(t *testing.T) {
	t.Parallel()
	l := labtest.StartOn(t, engines.Process, spec.Servers(1), spec.Clients(0), spec.Hardened(), spec.NotBootstrapped())
	first := l.Servers()[0]
	if got := status(t, first, "", "/v1/nodes"); got != http.StatusForbidden || l.ManagementToken() != "" {
		t.Errorf("anonymous gets %d", got)
	}
	c := asToken(t, first, "")
	made, _, err := c.ACLTokens().Bootstrap(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := status(t, first, made.SecretID, "/v1/nodes"); got != http.StatusOK {
		t.Errorf("the bootstrap token gets %d", got)
	}
	if _, _, err := c.ACLTokens().Bootstrap(nil); err == nil || !strings.Contains(err.Error(), "already done") {
		t.Errorf("a second time: %v", err)
	}
}

// TestAnotherBootstrapsFirst: the lab does not come up, because another caller has its management token.
func TestAnotherBootstrapsFirst(t *testing.T) {
	t.Parallel()
	e := labtest.EngineOf(t, engines.Process)
	var begun *lab.Lab
	_, err := lab.Up(t.Context(), e, spec.Spec{}.With(spec.Name(victimName()), spec.Servers(1), spec.Clients(0), spec.Hardened()), lab.UpOptions{
		Begun: func(l *lab.Lab) { begun = l },
		Progress: func(ev lab.Event) {
			if ev.Phase != "leader" || !ev.Done {
				return
			}
			within(t, deadline.Hang, func() string {
				if _, _, err := asToken(t, begun.Servers()[0], "").ACLTokens().Bootstrap(nil); err != nil {
					return err.Error()
				}
				return ""
			})
		},
	})
	if _, failed := errors.AsType[*lab.StartError](err); !failed || !strings.Contains(err.Error(), "ACL bootstrap already done") {
		t.Errorf("error %v, want a *StartError that says why", err)
	}
}
