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
func (f field) entries() ([]CheckResult, error) {
	var all []CheckResult
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

func (f field) entry(plane string) (CheckResult, error) {
	e := CheckResult{ID: f.key, Plane: plane}
	parts, err := f.fields("field")
	if err != nil {
		return CheckResult{}, err
	}
	for _, part := range parts {
		text, err := part.text()
		if err != nil {
			return CheckResult{}, err
		}
		switch part.key {
		case "result":
			e.Result = finding.Result(text)
		case "outcome":
			e.Outcome = text
		case "at":
			e.At = text
		case "reason":
			e.Reason = text
		default:
			return CheckResult{}, part.errorf("%q is nothing that a check has in a lock: %s", part.key, mend)
		}
	}
	if !isResult(e.Result) {
		return CheckResult{}, f.errorf("the result of %s is %q, which is none of %s: %s", f.key, e.Result, listOfResults(), mend)
	}
	return e, nil
}

func listOfResults() string {
	var all []string
	for _, v := range finding.Results() {
		all = append(all, string(v))
	}
	return strings.Join(all, ", ")
}
