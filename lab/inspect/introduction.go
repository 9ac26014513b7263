package inspect

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/deadline"
)

// introductionWait is how long the token may take to be made, as a leader may hang: see deadline.Fair.
const introductionWait = 5 * time.Second

// introductionLife is how long the token is good: a run of all checks takes a minute at most.
const introductionLife = 10 * time.Minute

// introduction is the secret of a token that introduces any client of the node pool default, for
// catalogue.Ingredients.Introduction. Nomad keeps nothing of it: it ends by itself.
func introduction(ctx context.Context, servers []*lab.Node) (string, error) {
	ctx, cancel := deadline.Fair(ctx, introductionWait)
	defer cancel()
	server, err := anyServer(ctx, servers)
	if err != nil {
		return "", err
	}
	made, _, err := server.ACLIdentity().CreateClientIntroductionToken(
		&api.ACLIdentityClientIntroductionTokenRequest{TTL: introductionLife}, writing(ctx))
	if err != nil {
		return "", fmt.Errorf("have an introduction token made: %w", err)
	}
	return made.JWT, nil
}
