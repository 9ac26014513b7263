package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/spec"
)

// usualName is the lab that is meant if none is named and there are several.
const usualName = "lab"

// labNames returns the names of the engines' labs, sorted.
func labNames(ctx context.Context, e *engines.Set) ([]string, error) {
	labs, err := e.Labs(ctx)
	return slices.Sorted(maps.Keys(labs)), err
}

// meant returns the given name. Without one it returns the only name, or "lab" if that is among several, or "".
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

// choose returns the name of the lab that is meant, or "" if none is named and no lab exists. A lab that expires, as those of
// tests, scenarios and configuration checks do, must be named: it is in use.
func choose(cmd *cobra.Command, e *engines.Set, given string) (string, error) {
	if given != "" {
		return given, spec.Spec{Name: given}.Validate()
	}
	labs, err := lab.List(cmd.Context(), e.All()...)
	if err != nil {
		return "", err
	}
	var names, expiring []string
	for _, l := range labs {
		if l.Expires.IsZero() {
			names = append(names, l.Name)
		} else {
			expiring = append(expiring, l.Name)
		}
	}
	if len(names) == 0 && len(expiring) > 0 {
		return "", usagef(cmd, "there is no lab that stays: %s belongs to a test, a scenario or a check, which removes it. Name it to use it",
			strings.Join(expiring, ", "))
	}
	name := meant("", names)
	if name == "" && len(names) > 0 {
		return "", usagef(cmd, "there are %d labs: name one of %s", len(names), strings.Join(names, ", "))
	}
	return name, nil
}

// open opens the lab that is meant. An error says so if there is none.
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

// unseen says in one line which engine's labs are unknown, and why. It is empty if all are known.
func unseen(e *engines.Set) string {
	if e.Unseen() == nil {
		return ""
	}
	return "there may be labs that you may not see: " + strings.ReplaceAll(e.Unseen().Error(), "\n", "; ")
}

// orUnseen adds to ErrNotFound that an engine could not be asked, if so.
func orUnseen(e *engines.Set, err error) error {
	if errors.Is(err, lab.ErrNotFound) && e.Unseen() != nil {
		return fmt.Errorf("%w\n%s", err, unseen(e))
	}
	return err
}

// openNamed opens the lab of that name at the engine that has it.
func openNamed(ctx context.Context, e *engines.Set, name string) (*lab.Lab, error) {
	has, err := e.Of(ctx, name)
	if err != nil {
		return nil, err
	}
	l, err := lab.Open(ctx, has, name)
	return l, orUnseen(e, err)
}

// labAndNodes splits arguments into the name of a lab and names of nodes. The first one is a lab if one has that name.
func labAndNodes(labs, args []string) (name string, nodes []string) {
	if len(args) > 0 && slices.Contains(labs, args[0]) {
		return args[0], args[1:]
	}
	return "", args
}

// first returns the first argument, or "".
func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// noArguments refuses arguments. Its error ends with the advice, which may be empty.
func noArguments(advice string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return usagef(cmd, "unexpected argument %q%s", args[0], advice)
	}
}

// positive refuses a --timeout of 0 or less.
func positive(cmd *cobra.Command, timeout time.Duration) error {
	if timeout > 0 {
		return nil
	}
	return usagef(cmd, "--timeout is %s: use a positive duration such as 90s", timeout)
}

// optionalName allows the name of one lab and nothing else.
func optionalName(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef(cmd, "unexpected argument %q: name one lab", args[1])
	}
	return nil
}

// dashed splits arguments at "--" into nomadlab's and those of the command to run.
func dashed(cmd *cobra.Command, args []string) (ours, theirs []string, found bool) {
	at := cmd.ArgsLenAtDash()
	if at < 0 {
		return args, nil, false
	}
	return args[:at], args[at:], true
}
