package lock

import (
	"strings"

	"nomadlab.internal/lab/finding"
)

// settings reads roles with their settings.
func (f field) settings() ([]finding.Setting, error) {
	var all []finding.Setting
	roles, err := f.fields("role")
	if err != nil {
		return nil, err
	}
	for _, role := range roles {
		paths, err := role.fields("setting")
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			value, err := path.text()
			if err != nil {
				return nil, err
			}
			all = append(all, finding.Setting{Role: role.key, Path: path.key, Value: value})
		}
	}
	return all, nil
}

// entries reads planes with their checks.
func (f field) entries() ([]Entry, error) {
	var all []Entry
	planes, err := f.fields("plane")
	if err != nil {
		return nil, err
	}
	seen := map[string]int{}
	for _, plane := range planes {
		checks, err := plane.fields("check")
		if err != nil {
			return nil, err
		}
		for _, c := range checks {
			if line, twice := seen[c.key]; twice {
				return nil, c.twice("check", line)
			}
			seen[c.key] = c.line
			e, err := c.entry(plane.key)
			if err != nil {
				return nil, err
			}
			all = append(all, e)
		}
	}
	return all, nil
}

func (f field) entry(plane string) (Entry, error) {
	e := Entry{ID: f.key, Plane: plane}
	parts, err := f.fields("field")
	if err != nil {
		return Entry{}, err
	}
	for _, part := range parts {
		text, err := part.text()
		if err != nil {
			return Entry{}, err
		}
		switch part.key {
		case "verdict":
			e.Verdict = finding.Verdict(text)
		case "outcome":
			e.Outcome = text
		case "at":
			e.At = text
		case "reason":
			e.Reason = text
		default:
			return Entry{}, part.errorf("%q is nothing that a check has in a lock: %s", part.key, mend)
		}
	}
	if !isVerdict(e.Verdict) {
		return Entry{}, f.errorf("the verdict of %s is %q, which is none of %s: %s", f.key, e.Verdict, listOfVerdicts(), mend)
	}
	return e, nil
}

func listOfVerdicts() string {
	var all []string
	for _, v := range finding.Verdicts() {
		all = append(all, string(v))
	}
	return strings.Join(all, ", ")
}
