package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
)

// switchesACLOn reports whether the servers want tokens after the change, and did not before.
func (r *rehearsal) switchesACLOn() bool {
	on := func(s Side) bool { return flag(s.Source.Configuration.Of(pki.Server).Files, aclSetting) }
	return !on(r.from) && on(r.to)
}

// bootstrap makes the token known that was agreed beforehand, as soon as the leader has ACLs: bootstrap is refused until then. It does
// nothing while the leader has none, and if it was done before.
func (r *rehearsal) bootstrap(ctx context.Context, l *lab.Lab) error {
	if l.ManagementToken() == r.token {
		return nil
	}
	if err := l.WaitLeader(ctx); err != nil {
		return err
	}
	known := false
	err := poll.Until(ctx, "the ACL system to be bootstrapped", func(ctx context.Context) string {
		leader, err := l.Leader(ctx, "")
		if err != nil {
			return err.Error()
		}
		c, err := leader.API()
		if err != nil {
			return err.Error()
		}
		_, _, err = c.ACLTokens().BootstrapOpts(r.token, new(api.WriteOptions).WithContext(ctx))
		switch {
		case err == nil || says(err, "ACL bootstrap already done"): // the answer to an earlier try may have been lost
			known = true
			return ""
		case says(err, "ACL support disabled"):
			return ""
		default:
			return err.Error()
		}
	})
	if err != nil || !known {
		return err
	}
	if err := l.Adopt(lab.Access{Token: &r.token}); err != nil {
		return fmt.Errorf("use the token of the bootstrap: %w", err)
	}
	return nil
}

// says reports whether Nomad refused a request with that text.
func says(err error, text string) bool {
	answer, is := errors.AsType[api.UnexpectedResponseError](err)
	return is && answer.StatusCode() == http.StatusBadRequest && strings.Contains(answer.Body(), text)
}
