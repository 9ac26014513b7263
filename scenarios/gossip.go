package scenarios

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/poll"
	"nomadlab.internal/lab/scenario"
	"nomadlab.internal/lab/spec"
)

// gossip proves that a server needs the gossip key to become a member.
func gossip() scenario.Scenario {
	extraNode := func(name string, key spec.GossipKey) spec.ExtraNode {
		return spec.ExtraNode{Name: name, Role: pki.Server, Gossip: key}
	}
	return scenario.Scenario{
		Name:  "gossip-is-encrypted",
		Claim: "Servers encrypt what they gossip, and admit no server that lacks their key.",
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
				{Title: `The server without a key says that its own serf.encrypted is "false": the value means something`, Do: noKeySaysPlain},
				{Title: "A server with the right key joins, and the other two are still not members", Do: rightKeyJoins},
			}
		},
	}
}

// encrypted returns what the agent says about its gossip: "true" or "false", a string (verified against Nomad 1.11.3).
func encrypted(ctx context.Context, n *lab.Node) (string, error) {
	return stat(ctx, n, "serf", "encrypted")
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

// refusedFor returns the action that starts an extra node and waits until both sides have logged why it is not a member. The
// extra node's line shows that it tried, and the server's that the server refused.
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
		admitted := func(ctx context.Context) (string, error) { return memberOf(ctx, t.Lab, name) }
		err = awaitUnless(ctx, name+" and a server to say why it is refused", admitted, func() string {
			own = sinceMark(extraNode, 0, extraNodeSays, "")
			for n, mark := range marks {
				theirs = cmp.Or(theirs, sinceMark(n, mark, serverSays, extraNode.Origin().String()+":"))
			}
			if own == "" || theirs == "" {
				return fmt.Sprintf("%s says %q, the servers say %q", name, own, theirs)
			}
			return ""
		})
		if err != nil {
			return err
		}
		t.Say("%s\n%s", theirs, own)
		return nil
	}
}

// awaitUnless waits until missing returns "". It returns an error as soon as admitted finds something, because no refusal will
// come then. While admitted returns an error, it waits: a server that cannot be asked says nothing about whom it admitted.
func awaitUnless(ctx context.Context, what string, admitted func(context.Context) (string, error), missing func() string) error {
	var found string
	err := poll.Until(ctx, what, func(ctx context.Context) string {
		var err error
		if found, err = admitted(ctx); err != nil {
			return err.Error()
		}
		if found != "" {
			return ""
		}
		return missing()
	})
	if err == nil && found != "" {
		err = errors.New(found)
	}
	return err
}

// marksOf returns the present ends of the nodes' logs.
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

// linesSince returns the lines of the node's log after the mark that have both texts, each with the node's name before it.
// Write an address with the colon that follows it, or it could be the beginning of another. A log that cannot be read has
// no lines.
func linesSince(n *lab.Node, mark int64, text, from string) []string {
	lines, err := n.Log().Since(mark)
	if err != nil {
		return nil
	}
	return linesWith(n.Name(), lines, text, from)
}

func linesWith(name string, lines []string, text, from string) (out []string) {
	for _, line := range lines {
		if strings.Contains(line, text) && strings.Contains(line, from) {
			out = append(out, name+": "+strings.TrimSpace(line))
		}
	}
	return out
}

// sinceMark returns the first of linesSince, or "".
func sinceMark(n *lab.Node, mark int64, text, from string) string {
	if lines := linesSince(n, mark, text, from); len(lines) > 0 {
		return lines[0]
	}
	return ""
}

// memberOf reads every server's own list of members, and says which server lists one of the names; "" if none does. It
// returns an error if a server could not be asked.
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

// membersAt returns the status of the members that a server knows, by their names without the region.
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
		return fmt.Errorf("no-key says that serf.encrypted is %q, so the servers' answer proves nothing", says)
	}
	return nil
}

// rightKeyJoins waits until the server with the right key is a member at every server. The other two had that time as well.
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
	return awaitUnless(ctx, "every server to say who its members are", func(ctx context.Context) (string, error) {
		return memberOf(ctx, t.Lab, "no-key", "other-key")
	}, func() string { return "" })
}
