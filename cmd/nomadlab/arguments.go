package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/spec"
)

// usualName is the lab that is meant when there are several and none is named.
const usualName = "lab"

// labNames are the labs that the engines know.
func labNames(ctx context.Context, e *engines.Set) ([]string, error) {
	labs, err := e.Labs(ctx)
	return slices.Sorted(maps.Keys(labs)), err
}

// meant is the name that was given; if none was, the only lab's, or "lab" if there are several and one is called so. It
// is "" when nothing tells which.
func meant(given string, names []string) string {
	switch {
	case given != "":
		return given
	case len(names) == 1:
		return names[0]
	case slices.Contains(names, usualName):
		return usualName
	default:
		return ""
	}
}

// choose returns the name of the lab that is meant, or "" when none is named and there is none at all. Labs of tests, scenarios
// and checks of a configuration are meant only where they are named: they are somebody's who works with them now.
func choose(cmd *cobra.Command, e *engines.Set, given string) (string, error) {
	if given != "" {
		return given, spec.Spec{Name: given}.Validate()
	}
	labs, err := lab.List(cmd.Context(), e.All()...)
	if err != nil {
		return "", err
	}
	var names, passing []string
	for _, l := range labs {
		if l.Expires.IsZero() {
			names = append(names, l.Name)
		} else {
			passing = append(passing, l.Name)
		}
	}
	if len(names) == 0 && len(passing) > 0 {
		return "", usagef(cmd, "there is no lab that stays: %s belongs to a test or a scenario or a check, and goes by itself: name it if it is meant",
			strings.Join(passing, ", "))
	}
	name := meant("", names)
	if name == "" && len(names) > 0 {
		return "", usagef(cmd, "there are %d labs: name one of %s", len(names), strings.Join(names, ", "))
	}
	return name, nil
}

// open opens the lab that is meant.
func open(cmd *cobra.Command, e *engines.Set, given string) (*lab.Lab, error) {
	name, err := choose(cmd, e, given)
	if err != nil {
		return nil, err
	}
	if name == "" {
		text := "there is no lab: `nomadlab up` makes one"
		if e.Unseen() != nil {
			text += "\n" + unseen(e)
		}
		return nil, usagef(cmd, "%s", text)
	}
	return openNamed(cmd.Context(), e, name)
}

// unseen says in a line which labs were not looked at, and why. Empty: all were.
func unseen(e *engines.Set) string {
	if e.Unseen() == nil {
		return ""
	}
	return "there may be labs that are not to be seen: " + strings.ReplaceAll(e.Unseen().Error(), "\n", "; ")
}

// orUnseen adds to an error about a lab that was not found that it may be where nobody looked.
func orUnseen(e *engines.Set, err error) error {
	if errors.Is(err, lab.ErrNotFound) && e.Unseen() != nil {
		return fmt.Errorf("%w\n%s", err, unseen(e))
	}
	return err
}

// openNamed opens the lab of that name, whichever engine has it.
func openNamed(ctx context.Context, e *engines.Set, name string) (*lab.Lab, error) {
	has, err := e.Of(ctx, name)
	if err != nil {
		return nil, err
	}
	l, err := lab.Open(ctx, has, name)
	return l, orUnseen(e, err)
}

// first is the first argument, or "".
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// noArguments says what to do instead, when there is something.
func noArguments(instead string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return usagef(cmd, "unexpected argument %q%s", args[0], instead)
	}
}

// optionalName is for commands that take the name of a lab and nothing else.
func optionalName(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef(cmd, "unexpected argument %q: name one lab", args[1])
	}
	return nil
}

// dashed splits arguments at "--": what is nomadlab's, and what is the inner command's.
func dashed(cmd *cobra.Command, args []string) (ours, theirs []string, found bool) {
	at := cmd.ArgsLenAtDash()
	if at < 0 {
		return args, nil, false
	}
	return args[:at], args[at:], true
}
