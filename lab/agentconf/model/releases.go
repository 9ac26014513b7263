package model

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// releasesJSON is written by TestProofOfReleases, which reads the sources of the releases.
//
//go:embed releases.json
var releasesJSON []byte

// lifetimes say of which releases of Nomad a setting is. Paths have dots between their names.
type lifetimes struct {
	// Releases are those that are compared, in their order. The last is the model's.
	Releases []string `json:"releases"`
	// Since has the settings that a release reads and the one before it does not. What is in no list is as old as the first one.
	Since map[string][]string `json:"since"`
	// Until has the settings that a release reads and the next one does not.
	Until map[string][]string `json:"until"`
}

// readLifetimes never fails: the file is part of the program, and a test reads it.
func readLifetimes() lifetimes {
	var l lifetimes
	if err := json.Unmarshal(releasesJSON, &l); err != nil {
		panic("releases.json: " + err.Error())
	}
	return l
}

// Releases are the releases of Nomad whose sources are compared, in their order: of each minor version the first and the last that
// Go's proxy has, and at the end the one that the model is of.
func Releases() []string { return readLifetimes().Releases }

// SinceOf returns the first of Releases that reads a setting of Paths, and has done so without a break since. One that is not compared
// may have it before. Empty: it is none of Paths.
func SinceOf(path []string) string {
	if !reads(path) {
		return ""
	}
	at, l := strings.Join(path, "."), readLifetimes()
	for _, release := range slices.Backward(l.Releases) {
		if slices.Contains(l.Since[release], at) {
			return release
		}
	}
	return l.Releases[0]
}

// reads says whether the path is one of Paths.
func reads(path []string) bool {
	return slices.ContainsFunc(Paths(), func(p []string) bool { return slices.Equal(p, path) })
}

// Gone are the settings that a release of Releases reads and the model's does not, by path.
func Gone() [][]string {
	var out [][]string
	for _, paths := range readLifetimes().Until {
		for _, at := range paths {
			if path := strings.Split(at, "."); !reads(path) {
				out = append(out, path)
			}
		}
	}
	slices.SortFunc(out, slices.Compare)
	return slices.CompactFunc(out, slices.Equal)
}

// GoneSince returns the first of Releases that does not read a setting of Gone any more, which is found in whatever case its names
// are written. Empty: it is none of them.
func GoneSince(path []string) string {
	l, at := readLifetimes(), strings.Join(path, ".")
	for i, release := range slices.Backward(l.Releases) {
		found := slices.IndexFunc(l.Until[release], func(p string) bool { return strings.EqualFold(p, at) })
		if found >= 0 && !reads(strings.Split(l.Until[release][found], ".")) {
			return l.Releases[i+1]
		}
	}
	return ""
}

// Unknown returns how many of the names lead to the outermost block, or setting, on their path of which the version reads nothing,
// and the first of Releases that reads something of it. Zero: the version reads it, or no release does. Names are those of a file,
// in whatever case. A version between two releases that are compared counts as the older of them; one that is none, such as the
// empty one, reads everything.
func Unknown(names []string, version string) (lead int, since string) {
	if !semver.IsValid("v" + version) {
		return 0, ""
	}
	l := readLifetimes()
	begun := map[string]string{}
	for _, release := range l.Releases { // a later release wins: a setting that was gone in between is as old as its return
		for _, at := range l.Since[release] {
			begun[at] = release
		}
	}
	candidates := Paths()
	for n := range names {
		candidates = slices.DeleteFunc(candidates, func(p []string) bool {
			return len(p) <= n || p[n] != Any && !strings.EqualFold(p[n], names[n])
		})
		first := ""
		for _, p := range candidates {
			since := begun[strings.Join(p, ".")]
			if since == "" {
				since = l.Releases[0]
			}
			if first == "" || semver.Compare("v"+since, "v"+first) < 0 {
				first = since
			}
		}
		if first != "" && semver.Compare("v"+first, "v"+version) > 0 {
			return n + 1, first
		}
	}
	return 0, ""
}
