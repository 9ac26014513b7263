package inspect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
)

const (
	// introductionWait bounds the request for a token, as deadline.Fair does, because a leader may hang.
	introductionWait = 5 * time.Second
	// introductionLife is how long the token is valid: longer than all checks take on a busy machine. Nomad shortens a longer life to
	// max_identity_ttl, of which this is the default (nomad/structs/acl.go:2454).
	introductionLife = 30 * time.Minute
)

// introduction makes a token that introduces any client of the node pool default, for catalogue.Ingredients.Introduction. Nomad
// stores nothing of it, and it expires by itself. The token is empty, without an error, on a Nomad before 1.11.0, which has none.
func introduction(ctx context.Context, servers []*lab.Node) (string, error) {
	ctx, cancel := deadline.Fair(ctx, introductionWait)
	defer cancel()
	server, err := anyServer(ctx, servers)
	if err != nil {
		return "", err
	}
	made, _, err := server.ACLIdentity().CreateClientIntroductionToken(
		&api.ACLIdentityClientIntroductionTokenRequest{TTL: introductionLife}, writing(ctx))
	if refused, is := errors.AsType[api.UnexpectedResponseError](err); is && refused.StatusCode() == http.StatusNotFound {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ask for an introduction token: %w", err)
	}
	return made.JWT, nil
}
