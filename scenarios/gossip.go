package scenarios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/nomad/api"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// gossip proves that membership needs the gossip key.
func gossip() scenario.Scenario {
	extraNode := func(name string, key spec.GossipKey) spec.ExtraNode {
		return spec.ExtraNode{Name: name, Role: pki.Server, Gossip: key}
	}
	return scenario.Scenario{
		Name:  "gossip-is-encrypted",
		Claim: "Servers encrypt what they gossip, and take nobody in who has not their key.",
		Spec: spec.Spec{
			Regions:    []spec.Region{{Clients: new(0)}},
			ExtraNodes: []spec.ExtraNode{extraNode("no-key", spec.NoKey), extraNode("other-key", spec.OtherKey), extraNode("right-key", spec.LabKey)},
		},
		Steps: func() []scenario.Step {
			return []scenario.Step{
				{Title: `Every server says that serf.encrypted is "true"`, Do: gossipSaysEncrypted},
				{Title: "A server without a key tries to join, and is refused", Do: refusedFor("no-key",
					"encryption is configured but remote state is not encrypted", "remote state is encrypted and encryption is not configured")},
				{Title: "A server with another key tries to join, and is refused", Do: refusedFor("other-key",
					"no installed keys could decrypt the message", "no installed keys could decrypt the message")},
				{Title: `The server without a key says of itself that serf.encrypted is "false": the value does tell`, Do: noKeySaysPlain},
				{Title: "A server with the right key joins, the other two are still no members", Do: rightKeyJoins},
			}
		},
	}
}

// encrypted is what the agent says of its gossip. It is a string, not a boolean (verified against Nomad 1.11.3).
func encrypted(ctx context.Context, n *lab.Node) (string, error) {
	client, err := n.API()
	if err != nil {
		return "", err
	}
	var self api.AgentSelf
	if _, err := client.Raw().Query("/v1/agent/self", &self, asking(ctx)); err != nil {
		return "", fmt.Errorf("ask %s about itself: %w", n.Name(), err)
	}
	return self.Stats["serf"]["encrypted"], nil
}

func gossipSaysEncrypted(ctx context.Context, t *scenario.T) error {
	for _, n := range t.Lab.Servers() {
		says, err := encrypted(ctx, n)
		if err != nil {
			return err
		}
		t.Say("%s: serf.encrypted is %q", n.Name(), says)
		if says != "true" {
			return fmt.Errorf("%s says that serf.encrypted is %q, wanted is \"true\"", n.Name(), says)
		}
	}
	return nil
}

// refusedFor starts an extra node and waits until both sides have logged why it is no member. The extra node's line shows that it
// did try, and the server's that it was the server who refused.
func refusedFor(name, serverSays, extraNodeSays string) func(context.Context, *scenario.T) error {
	return func(ctx context.Context, t *scenario.T) error {
		extraNode, err := t.Lab.Node(name)
		if err != nil {
			return err
		}
		marks, err := marksOf(t.Lab.Servers())
		if err != nil {
			return err
		}
		if err := extraNode.Start(ctx); err != nil {
			return err
		}
		var own, theirs string
		var admitted error
		err = poll.Until(ctx, name+" and a server to say why it is refused", func(ctx context.Context) string {
			found, err := memberOf(ctx, t.Lab, name)
			if err != nil {
				return err.Error() // not to be able to ask says nothing about who is a member
			}
			if found != "" {
				admitted = errors.New(found)
				return "" // no refusal will come any more
			}
			own = sinceMark(extraNode, 0, extraNodeSays, "")
			for n, mark := range marks {
				theirs = cmp.Or(theirs, sinceMark(n, mark, serverSays, extraNode.Origin().String()+":"))
			}
			if own == "" || theirs == "" {
				return fmt.Sprintf("%s says %q, the servers say %q", name, own, theirs)
			}
			return ""
		})
		if err := errors.Join(err, admitted); err != nil {
			return err
		}
		t.Say("%s\n%s", theirs, own)
		return nil
	}
}

func marksOf(nodes []*lab.Node) (map[*lab.Node]int64, error) {
	marks := map[*lab.Node]int64{}
	for _, n := range nodes {
		mark, err := n.Log().Mark()
		if err != nil {
			return nil, err
		}
		marks[n] = mark
	}
	return marks, nil
}

// sinceMark is the first line of the node's log after the mark that has both texts, with the node's name before it. An
// address is to be given with the colon that follows it: else it could be the beginning of another.
func sinceMark(n *lab.Node, mark int64, text, from string) string {
	lines, err := n.Log().Since(mark)
	if err != nil {
		return ""
	}
	if line := firstWith(lines, text, from); line != "" {
		return n.Name() + ": " + line
	}
	return ""
}

// firstWith is the first line that has both texts, or "".
func firstWith(lines []string, text, from string) string {
	for _, line := range lines {
		if strings.Contains(line, text) && strings.Contains(line, from) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// memberOf looks at every server's own list of members, and says which server counts one of those names among them; ""
// if none does. The error is that a server could not be asked.
func memberOf(ctx context.Context, l *lab.Lab, names ...string) (string, error) {
	for _, n := range l.Servers() {
		members, err := membersAt(ctx, n)
		if err != nil {
			return "", err
		}
		for _, name := range names {
			if status, there := members[name]; there {
				return fmt.Sprintf("%s counts %s among its members, as %s", n.Name(), name, status), nil
			}
		}
	}
	return "", nil
}

// membersAt are the members that a server knows, by their names without the region.
func membersAt(ctx context.Context, n *lab.Node) (map[string]string, error) {
	client, err := n.API()
	if err != nil {
		return nil, err
	}
	list, err := client.Agent().MembersOpts(asking(ctx))
	if err != nil {
		return nil, fmt.Errorf("ask %s for its members: %w", n.Name(), err)
	}
	members := map[string]string{}
	for _, m := range list.Members {
		members[strings.TrimSuffix(m.Name, "."+n.Region())] = m.Status
	}
	return members, nil
}

func noKeySaysPlain(ctx context.Context, t *scenario.T) error {
	extraNode, err := t.Lab.Node("no-key")
	if err != nil {
		return err
	}
	var says string
	if err := poll.Until(ctx, "no-key to answer", func(ctx context.Context) string {
		if says, err = encrypted(ctx, extraNode); err != nil {
			return err.Error()
		}
		return ""
	}); err != nil {
		return err
	}
	t.Say("no-key: serf.encrypted is %q", says)
	if says != "false" {
		return fmt.Errorf("no-key says that serf.encrypted is %q, so that the servers' answer proves nothing", says)
	}
	return nil
}

// rightKeyJoins gives the wrong ones the time in which a right one becomes a member at every server.
func rightKeyJoins(ctx context.Context, t *scenario.T) error {
	extraNode, err := t.Lab.Node("right-key")
	if err != nil {
		return err
	}
	if err := extraNode.Start(ctx); err != nil {
		return err
	}
	for _, n := range t.Lab.Servers() {
		if err := poll.Until(ctx, "right-key to be a member at "+n.Name(), func(ctx context.Context) string {
			members, err := membersAt(ctx, n)
			if err != nil {
				return err.Error()
			}
			if members["right-key"] != "alive" {
				return fmt.Sprintf("its members are %v", members)
			}
			return ""
		}); err != nil {
			return err
		}
	}
	t.Say("right-key is alive at every server")
	return noMembers(ctx, t.Lab, "no-key", "other-key")
}

// noMembers asks until every server has answered once, and is an error if one of them counts one of the names.
func noMembers(ctx context.Context, l *lab.Lab, names ...string) error {
	var found string
	err := poll.Until(ctx, "every server to say who its members are", func(ctx context.Context) string {
		var err error
		if found, err = memberOf(ctx, l, names...); err != nil {
			return err.Error()
		}
		return ""
	})
	if err == nil && found != "" {
		err = errors.New(found)
	}
	return err
}
