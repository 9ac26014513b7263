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

// introductionWait is how long the token may take to be made, as a leader may hang: see deadline.Fair.
const introductionWait = 5 * time.Second

// introductionLife is how long the token is good: longer than a run of all checks takes on a busy machine. It is the default of
// max_identity_ttl, and Nomad shortens a longer one to that (nomad/structs/acl.go:2454).
const introductionLife = 30 * time.Minute

// introduction is the secret of a token that introduces any client of the node pool default, for
// catalogue.Ingredients.Introduction. Nomad keeps nothing of it: it ends by itself. It is empty, without an error, where Nomad has
// none: before 1.11.0.
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
