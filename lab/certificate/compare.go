package certificate

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Comparison is what differs between two reports, such as those of a certificate before and after its renewal.
type Comparison struct {
	// Pairs are the certificates of both, those that are in one alone included.
	Pairs []Pair `json:"certificates"`
}

// Pair is one certificate before and after.
type Pair struct {
	// Name says which certificate it is, in words.
	Name string `json:"name"`
	// Old and New are its places. One is empty if the certificate is in the other report alone.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
	// Changes are what differs, in words. Empty: it is the same certificate.
	Changes []Change `json:"changes,omitempty"`
}

// Change is one difference.
type Change struct {
	// What is presence, names, role, opens, life, issuer, chain, key, purposes, signing or problem.
	What string `json:"what"`
	Text string `json:"text"`
	// Worse is true if the holder may do more than before, or something is wrong that was not.
	Worse bool `json:"worse,omitempty"`
}

// Worse reports whether a change of the comparison is for the worse.
func (c Comparison) Worse() bool {
	return slices.ContainsFunc(c.Pairs, func(p Pair) bool {
		return slices.ContainsFunc(p.Changes, func(ch Change) bool { return ch.Worse })
	})
}

// Changes returns the number of changes.
func (c Comparison) Changes() int {
	n := 0
	for _, p := range c.Pairs {
		n += len(p.Changes)
	}
	return n
}

// sited is a certificate with its place.
type sited struct {
	Certificate
	place string
}

// Compare returns what has changed from one report to the other. It pairs certificates by what identifies them best: the same
// certificate, then the role and region, then the subject, then the name of the file. Where both reports have one holder's
// certificate, it pairs the two.
func Compare(before, after Report) Comparison {
	old, fresh := sitedOf(before), sitedOf(after)
	var pairs []Pair
	match := func(same func(a, b sited) bool) {
		old = slices.DeleteFunc(old, func(a sited) bool {
			at := slices.IndexFunc(fresh, func(b sited) bool { return same(a, b) })
			if at < 0 {
				return false
			}
			pairs = append(pairs, pairOf(a, fresh[at]))
			fresh = slices.Delete(fresh, at, at+1)
			return true
		})
	}
	match(func(a, b sited) bool { return a.SHA256 == b.SHA256 })
	match(func(a, b sited) bool {
		return a.Kind == b.Kind && len(a.Roles) > 0 && slices.Equal(a.Roles, b.Roles) && path.Base(a.place) == path.Base(b.place)
	})
	match(func(a, b sited) bool { return a.Kind == b.Kind && len(a.Roles) > 0 && slices.Equal(a.Roles, b.Roles) })
	match(func(a, b sited) bool { return a.Kind == b.Kind && a.Subject == b.Subject })
	match(func(a, b sited) bool { return a.Kind == b.Kind && path.Base(a.place) == path.Base(b.place) })
	if len(sitedOf(before)) == 1 && len(sitedOf(after)) == 1 {
		match(func(sited, sited) bool { return true })
	}
	for _, a := range old {
		pairs = append(pairs, Pair{Name: a.title(), Old: a.place, Changes: []Change{{What: "presence", Text: "it is gone"}}})
	}
	for _, b := range fresh {
		pairs = append(pairs, Pair{Name: b.title(), New: b.place, Changes: []Change{{What: "presence", Text: "it is new, and opens " + b.opensText(), Worse: len(b.Problems) > 0 || b.Kind == Authority}}})
	}
	pairs = append(pairs, placePairs(before, after)...)
	slices.SortStableFunc(pairs, func(a, b Pair) int { return cmp.Compare(cmp.Or(a.New, a.Old), cmp.Or(b.New, b.Old)) })
	if pairs == nil {
		pairs = []Pair{}
	}
	return Comparison{Pairs: pairs}
}

// sitedOf returns all certificates of a report, each once.
func sitedOf(r Report) []sited {
	var all []sited
	for _, p := range r.Places {
		for _, c := range p.Certificates {
			if !slices.ContainsFunc(all, func(s sited) bool { return s.SHA256 == c.SHA256 }) {
				all = append(all, sited{c, p.Name})
			}
		}
	}
	return all
}

// pairOf compares two certificates.
func pairOf(a, b sited) Pair {
	p := Pair{Name: b.title(), Old: a.place, New: b.place}
	if a.SHA256 == b.SHA256 { // the same certificate in another company
		p.Changes = append(chainChanges(a, b), problemChanges(a.Problems, b.Problems)...)
		return p
	}
	add := func(what string, worse bool, format string, values ...any) {
		p.Changes = append(p.Changes, Change{What: what, Text: fmt.Sprintf(format, values...), Worse: worse})
	}
	differ := func(what, old, fresh string) {
		if old != fresh {
			add(what, false, "%s, was %s", fresh, old)
		}
	}
	differ("role", a.Title(), b.Title())
	gained, lost := setChange(a.allNames(), b.allNames())
	if len(gained) > 0 {
		add("names", false, "gained %s", strings.Join(gained, ", "))
	}
	if len(lost) > 0 {
		add("names", false, "lost %s", strings.Join(lost, ", "))
	}
	gained, lost = setChange(openingTexts(a.Opens), openingTexts(b.Opens))
	if len(gained) > 0 {
		add("opens", true, "gained %s", strings.Join(gained, ", "))
	}
	if len(lost) > 0 {
		add("opens", false, "lost %s", strings.Join(lost, ", "))
	}
	if !a.NotAfter.Equal(b.NotAfter) {
		add("life", false, "until %s, was %s: %s", stamp(b.NotAfter), stamp(a.NotAfter), longer(a, b))
	}
	differ("issuer", ShortName(a.Issuer), ShortName(b.Issuer))
	p.Changes = append(p.Changes, chainChanges(a, b)...)
	switch {
	case a.KeyKind != b.KeyKind:
		add("key", false, "%s, was %s", b.KeyKind, a.KeyKind)
	case a.KeySHA256 == b.KeySHA256:
		add("key", false, "the same key: who had it before has it still")
	default:
		add("key", false, "a new key, %s", b.KeyKind)
	}
	differ("purposes", orElse(a.Purposes, "every purpose"), orElse(b.Purposes, "every purpose"))
	if a.MaySign != b.MaySign {
		add("signing", b.MaySign, "%s", map[bool]string{true: "may sign now", false: "may sign no more"}[b.MaySign])
	}
	if gained, lost := setChange(a.Permits, b.Permits); len(gained)+len(lost) > 0 {
		wider := len(b.Permits) == 0 || len(a.Permits) > 0 && len(gained) > 0
		add("signing", wider, "may sign %s, was %s", orElse(b.Permits, "every name"), orElse(a.Permits, "every name"))
	}
	p.Changes = append(p.Changes, problemChanges(a.Problems, b.Problems)...)
	return p
}

// chainChanges returns how the chain differs. It is for the worse if fewer authorities are sent along and the chain leads no
// further than before.
func chainChanges(a, b sited) []Change {
	old, fresh := a.Chain.Text(), b.Chain.Text()
	if old == fresh {
		return nil
	}
	worse := len(b.Chain.Through) < len(a.Chain.Through) && b.Chain.State != Complete && b.Chain.State != Root
	return []Change{{"chain", fmt.Sprintf("%s, was %s", fresh, old), worse}}
}

// placePairs compares the files themselves: their problems, such as a key that is another's, and the private keys that they hold.
// Files of one name are compared, or the only file of both sides.
func placePairs(before, after Report) []Pair {
	var pairs []Pair
	alone := len(before.Places) == 1 && len(after.Places) == 1
	for _, b := range after.Places {
		at := slices.IndexFunc(before.Places, func(a Place) bool { return alone || path.Base(a.Name) == path.Base(b.Name) })
		var a Place
		if at >= 0 {
			a = before.Places[at]
		}
		changes := append(keyChanges(a.Keys, b.Keys), problemChanges(a.Problems, b.Problems)...)
		if len(changes) > 0 {
			pairs = append(pairs, Pair{Name: "the file " + path.Base(b.Name), Old: a.Name, New: b.Name, Changes: changes})
		}
	}
	return pairs
}

// keyChanges returns the private keys that a file holds and did not hold, by whose they are.
func keyChanges(before, after []Key) []Change {
	of := func(keys []Key) (all []string) {
		for _, k := range keys {
			all = append(all, k.Kind+" of "+orElse(shortNames([]string{k.Of}), "nobody"))
		}
		return all
	}
	var all []Change
	gained, lost := setChange(of(before), of(after))
	for _, k := range gained {
		all = append(all, Change{"key", "holds a private key more: " + k, len(after) > len(before)})
	}
	for _, k := range lost {
		all = append(all, Change{"key", "no longer holds the private key: " + k, len(after) < len(before)})
	}
	return all
}

// problemChanges returns the problems that came and went.
func problemChanges(before, after []Problem) []Change {
	ids := func(all []Problem) (ids []string) {
		for _, p := range all {
			ids = append(ids, p.ID)
		}
		return ids
	}
	var all []Change
	came, went := setChange(ids(before), ids(after))
	for _, p := range after {
		if slices.Contains(came, p.ID) {
			all = append(all, Change{"problem", "now wrong: " + p.What, true})
		}
	}
	for _, p := range before {
		if slices.Contains(went, p.ID) {
			all = append(all, Change{"problem", "no longer wrong: " + p.What, false})
		}
	}
	return all
}

// setChange returns what the second list has and the first has not, and the reverse.
func setChange(old, fresh []string) (gained, lost []string) {
	for _, t := range fresh {
		if !slices.Contains(old, t) {
			gained = append(gained, t)
		}
	}
	for _, t := range old {
		if !slices.Contains(fresh, t) {
			lost = append(lost, t)
		}
	}
	return gained, lost
}

// longer says by how much the life has become longer or shorter.
func longer(a, b sited) string {
	switch d := b.NotAfter.Sub(a.NotAfter); {
	case d < 0:
		return span(-d) + " sooner"
	default:
		return span(d) + " later"
	}
}
