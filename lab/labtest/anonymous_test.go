package labtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/pki"
)

// status asks with a token and returns the HTTP status, 200 for an answer.
func status(t *testing.T, n *lab.Node, token, at string) int {
	t.Helper()
	got, err := statusOf(t.Context(), n, token, at)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func statusOf(ctx context.Context, n *lab.Node, token, at string) (int, error) {
	c, err := n.APIWith(token)
	if err != nil {
		return 0, err
	}
	answer, err := c.Raw().Response(at, new(api.QueryOptions).WithContext(ctx))
	if err == nil {
		return http.StatusOK, answer.Close()
	}
	if refused, ok := errors.AsType[api.UnexpectedResponseError](err); ok {
		return refused.StatusCode(), nil
	}
	return 0, fmt.Errorf("%s of %s: %w", at, n.Name(), err)
}

// askedOf are the requests that a node answers only with a token.
func askedOf(n *lab.Node) []string {
	asked := []string{"/v1/agent/self", "/v1/jobs", "/v1/nodes", "/v1/acl/tokens"}
	if n.Role() == pki.Client {
		asked = append(asked, "/v1/client/stats")
	}
	return asked
}

// anonymousIsDenied by servers and clients alike; the control is the management token.
func anonymousIsDenied(t *testing.T, l *lab.Lab, k engines.Kind) {
	byChild := askedByChild(t, l, k)
	for _, n := range append(l.Servers(), l.Clients()...) {
		for _, at := range askedOf(n) {
			none, wrong := status(t, n, "", at), status(t, n, "b2b1b0c6-5f0e-4c5e-9d3c-0123456789ab", at)
			with := status(t, n, l.ManagementToken(), at)
			if none != http.StatusForbidden || wrong != http.StatusForbidden || with != http.StatusOK {
				t.Errorf("%s of %s: without a token %d, with an unknown one %d, with the management token %d", at, n.Name(), none, wrong, with)
			}
			if got := byChild[n.Name()+at]; got != http.StatusForbidden {
				t.Errorf("%s of %s: without a token, although the shell has one: %d", at, n.Name(), got)
			}
		}
	}
}

// askedByChild are the statuses, by node and path, that a process gets without a token in whose environment there is one:
// a token of the user's shell is not used here.
func askedByChild(t *testing.T, l *lab.Lab, k engines.Kind) (statuses map[string]int) {
	t.Helper()
	c := prepare(t, os.Getenv("XDG_STATE_HOME"), "ask", 0, labName+"="+l.Name(), engines.Variable+"="+string(k), "NOMAD_TOKEN="+l.ManagementToken())
	c.start(t)
	if !c.said.Scan() || json.Unmarshal(c.said.Bytes(), &statuses) != nil {
		t.Errorf("it says %q", c.said.Text())
	}
	if err := c.end(); err != nil {
		t.Errorf("%v: %s", err, c.printed)
	}
	return statuses
}

// ask is the child's part.
func ask(ctx context.Context, name string, w io.Writer) error {
	set, err := engines.Open(ctx, engines.Kind(os.Getenv(engines.Variable)))
	if err != nil {
		return err
	}
	defer func() { _ = set.Close() }()
	l, err := lab.Open(ctx, set.Home(), name)
	if err != nil {
		return err
	}
	statuses := map[string]int{}
	for _, n := range append(l.Servers(), l.Clients()...) {
		for _, at := range askedOf(n) {
			if statuses[n.Name()+at], err = statusOf(ctx, n, "", at); err != nil {
				return err
			}
		}
	}
	return json.NewEncoder(w).Encode(statuses)
}
