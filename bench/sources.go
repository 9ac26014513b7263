package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"nomadlab.internal/lab/image"
	"nomadlab.internal/lab/spec"
)

// The largest ratios to a lab that makes its certificates itself.
const (
	nomadLimit = 1.3
	vaultLimit = 2.5
)

// sourcesOn returns a contestant for each source of certificates, each compared with the engine's own labs.
func sourcesOn(e contestant) []contestant {
	var out []contestant
	for _, source := range []string{spec.NomadSource, spec.CFSSLSource, spec.VaultSource} {
		c := contestant{name: e.name + "-" + source, title: e.title + ", " + source, against: e.name, engine: e.engine, source: source}
		switch source {
		case spec.NomadSource:
			c.limit = nomadLimit
		case spec.VaultSource:
			c.limit = vaultLimit
		}
		out = append(out, c)
	}
	return out
}

// leftOut is a contestant that cannot take part.
type leftOut struct {
	by contestant
	// why says what is missing, and remedy how to get it.
	why, remedy string
}

// lookForParts keeps of the named sources those whose programs are here, and notes the others: a build takes many minutes.
func (e *environment) lookForParts(ctx context.Context, names []string) error {
	for _, c := range chosen(names) {
		missing, err := e.missing(ctx, c)
		if err != nil {
			return fmt.Errorf("look for the parts of %s: %w", c.title, err)
		}
		if len(missing) > 0 {
			e.leftOut = append(e.leftOut, leftOut{
				by: c, why: strings.Join(missing, " and ") + " not in the cache",
				remedy: fmt.Sprintf("`nomadlab --engine %s image --part %s`", c.engine, strings.Join(missing, ",")),
			})
			continue
		}
		e.sources = append(e.sources, c)
	}
	return nil
}

// missing returns the names of the parts that a lab of the contestant needs and that would be pulled or built.
func (e *environment) missing(ctx context.Context, c contestant) ([]string, error) {
	if c.source != spec.VaultSource {
		return nil, nil
	}
	var out []string
	for _, part := range []image.Part{image.Vault, image.ConsulTemplate} {
		here, err := image.Cached(ctx, e.engines[c.engine].DockerHost(), image.Request{Part: part})
		if err != nil {
			return nil, err
		}
		if !here {
			out = append(out, string(part))
		}
	}
	return out, nil
}

// sources lets the sources bring up small labs, each beside the lab that it is compared with.
func (b *bench) sources(ctx context.Context) {
	for _, l := range b.on.leftOut {
		b.say("%s is left out, %s: %s gets it", l.by.title, l.why, l.remedy)
	}
	b.results.sources = b.rotate(ctx, "round of sources", withOwn(b.on.sources), b.settings.sourceRounds)
}

// withOwn returns the sources, those of an engine directly behind the contestant that they are compared with.
func withOwn(sources []contestant) []contestant {
	var out []contestant
	for _, own := range chosen(names(contestant.isEngine)) {
		same := slices.DeleteFunc(slices.Clone(sources), func(s contestant) bool { return s.against != own.name })
		if len(same) > 0 {
			out = append(append(out, own), same...)
		}
	}
	return out
}

// The beginnings of lab.Up's own words before and after Vault's start.
const (
	vaultBegins = "starting Vault"
	vaultEnds   = "Vault has an authority"
)

// vaultStartOf returns the seconds of a lab's Vault server, from lab.Up's progress.
func vaultStartOf(told []step) (float64, error) {
	begins, ends := indexOf(told, vaultBegins), indexOf(told, vaultEnds)
	if begins < 0 || ends < begins {
		return 0, errors.New("lab.Up did not report when it started Vault, and when Vault had an authority")
	}
	return told[ends].at - told[begins].at, nil
}

// indexOf returns the index of the first step whose text has that beginning, or -1.
func indexOf(told []step, beginning string) int {
	return slices.IndexFunc(told, func(s step) bool { return strings.HasPrefix(s.text, beginning) })
}

// sourceSection has a row for each source, after one for the lab that it is compared with.
func sourceSection(r results) section {
	s := section{
		title:  "Certificates from other sources",
		header: table.Row{"lab", "rounds", "clients ready", "ratio", "Vault's start", "ratio without it", "limit"},
		note: "Three servers, two clients, in rounds of their own. Seconds: medians, with the smallest and the largest in brackets. " +
			"A ratio is that of the two medians; in brackets are the quartiles of the ratios of each round by itself. Vault's start " +
			"is from lab.Up's own progress: the server is created, started, unsealed, and given an authority, and each agent a token. " +
			"The limit is that of the last ratio.",
	}
	for _, c := range withOwn(chosen(names(contestant.isSource))) {
		ours, theirs := of(r.sources, c.name), of(r.sources, c.against)
		if len(ours) == 0 {
			continue
		}
		row := table.Row{c.title, len(ours), spread(summarize(secondsTo(ready, ours)))}
		if !c.isSource() {
			s.rows = append(s.rows, append(row, none, none, none, none))
			continue
		}
		base, limit := secondsTo(ready, theirs), none
		if c.limit > 0 {
			limit = fmt.Sprintf("%.2f", c.limit)
		}
		s.rows = append(s.rows, append(row,
			ratioText(ratio(secondsTo(ready, ours), base)), spread(summarize(secondsTo(vaultStart, ours))),
			ratioText(ratio(withoutVault(ours), base)), limit))
	}
	return s
}

// withoutVault returns the times until the clients are ready, by round, without those of Vault's start.
func withoutVault(boots []boot) map[int]float64 {
	out := map[int]float64{}
	for _, b := range boots {
		out[b.round] = b.seconds[ready] - b.seconds[vaultStart]
	}
	return out
}

func leftOutSection(r results) section {
	s := section{title: "What was left out", header: table.Row{"lab", "why", "how to get it"}}
	for _, l := range r.leftOut {
		s.rows = append(s.rows, table.Row{l.by.title, l.why, l.remedy})
	}
	return s
}
