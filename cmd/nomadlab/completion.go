package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
)

// completing bounds how long a shell waits for a completion.
const completing = 2 * time.Second

type completion = func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective)

// fixed completes from a list.
func fixed(words ...string) completion {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// asking completes by asking the engines. A shell shows no errors, so one that does not answer has no completions.
func (a *app) asking(words func(ctx context.Context, e *engines.Set, args []string) []string) completion {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx := cmd.Context()
		if ctx == nil {
			ctx = context.Background()
		}
		ctx, cancel := context.WithTimeout(ctx, completing)
		defer cancel()
		e, err := a.engines(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer func() { _ = e.Close() }()
		found := slices.DeleteFunc(words(ctx, e, args), func(w string) bool {
			return !strings.HasPrefix(w, toComplete) || slices.Contains(args, w)
		})
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeLab completes the name of one lab.
func (a *app) completeLab() completion {
	return a.asking(func(ctx context.Context, e *engines.Set, args []string) []string {
		if len(args) > 0 {
			return nil
		}
		return namesOrNone(ctx, e)
	})
}

// completeLabs completes the names of any number of labs.
func (a *app) completeLabs() completion {
	return a.asking(func(ctx context.Context, e *engines.Set, _ []string) []string { return namesOrNone(ctx, e) })
}

// completeNodes completes a lab's name in the first place, and up to so many names of nodes.
func (a *app) completeNodes(most int) completion {
	return a.asking(func(ctx context.Context, e *engines.Set, args []string) []string {
		labs := namesOrNone(ctx, e)
		name, nodes := "", args
		if len(args) > 0 && slices.Contains(labs, args[0]) {
			name, nodes = args[0], args[1:]
		}
		if len(nodes) >= most {
			return nil
		}
		words := nodeNames(ctx, e, name, labs)
		if len(args) == 0 {
			words = append(words, labs...)
		}
		return words
	})
}

// completeScenarios completes names of scenarios, each with its claim.
func (a *app) completeScenarios(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var words []cobra.Completion
	for _, s := range a.all() {
		if !slices.Contains(args, s.Name) {
			words = append(words, cobra.CompletionWithDesc(s.Name, s.Claim))
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

func namesOrNone(ctx context.Context, e *engines.Set) []string {
	names, _ := labNames(ctx, e)
	return names
}

// nodeNames are the nodes of the named lab, or of the one that is meant when none is named.
func nodeNames(ctx context.Context, e *engines.Set, name string, labs []string) []string {
	name = meant(name, labs)
	if name == "" {
		return nil
	}
	known, _ := e.Labs(ctx)
	words := make([]string, 0, len(known[name].Nodes))
	for _, s := range known[name].Nodes {
		words = append(words, s.Node)
	}
	return words
}

// mustComplete registers a flag's completion; it fails only for a flag that does not exist, which is a programmer's error.
func mustComplete(cmd *cobra.Command, flag string, c completion) {
	if err := cmd.RegisterFlagCompletionFunc(flag, c); err != nil {
		panic(err)
	}
}
