package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"nomadlab.internal/internal/deadline"
)

// servers are those that the client talks to.
func (c offered) servers(ctx context.Context) ([]string, error) {
	var list []string
	o := HTTPSearch(Ask{Path: serversPath}, c.asker, AnswerSearch{
		For: "its servers",
		In: func(_ http.Header, body []byte) (bool, string, error) {
			return true, "a list", json.Unmarshal(body, &list)
		},
	}).Observe(ctx, c.Target)
	if o.Outcome != Found {
		return nil, fmt.Errorf("ask the client which servers it talks to: %s: %s", o.Outcome, strings.TrimSpace(o.Received+" "+o.Err))
	}
	return list, nil
}

// keeps is nil if the client does not talk to our listener. If it does, it is given back the servers that it had before.
func (c offered) keeps(ctx context.Context, ours string, before []string) error {
	ctx, cancel := deadline.Fair(ctx, DefaultTimeout)
	defer cancel()
	now, err := c.servers(ctx)
	if err != nil || !slices.Contains(now, ours) {
		return err
	}
	if o := c.offer(ctx, before...); o.Outcome != Accepted {
		return fmt.Errorf("give the client its servers back: %w", succeeded(o))
	}
	if now, err = c.servers(ctx); err == nil && slices.Contains(now, ours) {
		err = fmt.Errorf("the client talks to our listener %s, which is closed, beside %s", ours, strings.Join(before, ", "))
	}
	return err
}
