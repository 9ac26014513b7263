package rollout

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// stepJSON is a step as it may be shown: no content of a file is in it.
type stepJSON struct {
	Node    string     `json:"node,omitempty"`
	Title   string     `json:"title"`
	Files   []fileJSON `json:"files,omitempty"`
	Version string     `json:"nomad_version,omitempty"`
	Effect  Effect     `json:"effect"`
	Why     string     `json:"why,omitempty"`
	Await   []string   `json:"await,omitempty"`
}

type fileJSON struct {
	Path string `json:"path"`
	What string `json:"what"`
}

// MarshalJSON writes what the step does, without the content of its files.
func (s Step) MarshalJSON() ([]byte, error) {
	out := stepJSON{Node: s.Node, Title: s.Title, Version: s.Version, Effect: s.Effect, Why: s.Why}
	if out.Effect == "" {
		out.Effect = Nothing
	}
	for _, f := range s.Files {
		if !f.Mode.IsDir() {
			out.Files = append(out.Files, fileJSON{f.Path, f.What})
		}
	}
	for _, a := range s.Await {
		out.Await = append(out.Await, a.What)
	}
	return json.Marshal(out)
}

// MarshalJSON writes the plan, without the content of files.
func (p Plan) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Title string `json:"title"`
		Steps []Step `json:"steps"`
	}{p.Title, p.Steps})
}

// String returns the file's path and what it holds.
func (f File) String() string { return f.Path + " (" + f.What + ")" }

// GoString keeps the content out of %#v.
func (f File) GoString() string { return f.String() }

// String returns the step without the content of its files, also for %v of a value that contains it.
func (s Step) String() string { return s.subject() }

// GoString keeps the content of files out of %#v.
func (s Step) GoString() string { return s.subject() }

// Write writes the plan as text: a line for each step, and below it what is written, how it takes effect and why, and what is
// awaited.
func (p Plan) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, in %d steps\n", p.Title, len(p.Steps))
	for i, s := range p.Steps {
		fmt.Fprintf(&b, "\n%2d  %s\n", i+1, s.subject())
		for _, f := range s.Files {
			if !f.Mode.IsDir() {
				fmt.Fprintf(&b, "      write  %s (%s)\n", f.Path, f.What)
			}
		}
		if s.Version != "" {
			fmt.Fprintf(&b, "      run    Nomad %s\n", s.Version)
		}
		if s.Effect != Nothing && s.Effect != "" {
			fmt.Fprintf(&b, "      then   %s", s.Effect)
			if s.Why != "" {
				fmt.Fprintf(&b, ": %s", s.Why)
			}
			b.WriteString("\n")
		}
		for _, a := range s.Await {
			fmt.Fprintf(&b, "      await  %s\n", a.What)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
