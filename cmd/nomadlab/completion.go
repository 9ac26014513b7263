package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/engine/engines"
)

// completing is how long a shell waits for a completion at most.
const completing = 2 * time.Second

// anyNumber is a number of completed names that no command line reaches.
const anyNumber = 1 << 16

type completion = func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective)

// fixed completes words of a list.
func fixed(words ...string) completion {
	return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
}

// asking completes words of the engines' labs. An engine that does not answer has none: a shell shows no errors.
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

// completeLabs completes up to most names of labs.
func (a *app) completeLabs(most int) completion {
	return a.asking(func(ctx context.Context, e *engines.Set, args []string) []string {
		if len(args) >= most {
			return nil
		}
		return namesOrNone(ctx, e)
	})
}

// completeNodes completes the name of a lab as first argument, and up to most names of nodes.
func (a *app) completeNodes(most int) completion {
	return a.asking(func(ctx context.Context, e *engines.Set, args []string) []string {
		labs := namesOrNone(ctx, e)
		name, nodes := labAndNodes(labs, args)
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

// completeScenarios completes names of scenarios, with their claims.
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

// nodeNames returns the nodes of the named lab, or of the lab that is meant if none is named.
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

// mustComplete registers a flag's completion. It panics if the flag does not exist.
func mustComplete(cmd *cobra.Command, flag string, c completion) {
	if err := cmd.RegisterFlagCompletionFunc(flag, c); err != nil {
		panic(err)
	}
}
