package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/report"
)

// tell prints the report, and writes it into the folder where there is one: then a person reads the text, and the files
// are for whoever comes later.
func (f checkFlags) tell(c console, r finding.Report) error {
	text := report.TextOptions{Verbose: f.verbose, Colour: c.out.colour, Width: c.out.width()}
	if f.out == "" && len(f.formats) == 1 && f.formats[0] != "text" {
		for _, format := range report.Formats() {
			if format.Name == f.formats[0] {
				return format.Write(c.out, r)
			}
		}
	}
	if err := report.Text(c.out, r, text); err != nil {
		return err
	}
	if f.out == "" {
		return nil
	}
	return f.write(c, r)
}

// write writes the files, each whole or not at all.
func (f checkFlags) write(c console, r finding.Report) error {
	if err := os.MkdirAll(f.out, 0o755); err != nil { //nolint:gosec // a report is for others to read, and holds no secret
		return fmt.Errorf("make the report's folder: %w", err)
	}
	for _, format := range report.Formats() {
		if len(f.formats) > 0 && !slices.Contains(f.formats, format.Name) {
			continue
		}
		at := filepath.Join(f.out, format.File)
		if err := writeWhole(at, func(w io.Writer) error { return format.Write(w, r) }); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		c.errs.printf("wrote %s", at)
	}
	return nil
}

// places returns an error where the report or the lock could not be written at the end: nobody should hear of that after the
// whole run. It makes the report's folder.
func (f checkFlags) places(cmd *cobra.Command) error {
	if f.out != "" {
		if err := os.MkdirAll(f.out, 0o755); err != nil { //nolint:gosec // as above
			return usagef(cmd, "--out %s: make the report's folder: %w", f.out, err)
		}
		if err := takesFiles(f.out); err != nil {
			return usagef(cmd, "--out %s: the report cannot be written there: %w", f.out, err)
		}
	}
	if f.update {
		if err := takesFiles(filepath.Dir(f.lock)); err != nil {
			return usagef(cmd, "--lock %s: the lock cannot be written there: %w", f.lock, err)
		}
	}
	return nil
}

// takesFiles returns an error where no file can be made in the folder.
func takesFiles(folder string) error {
	part, err := os.CreateTemp(folder, ".nomadlab-*")
	if err != nil {
		return err
	}
	return errors.Join(part.Close(), os.Remove(part.Name()))
}

// writeWhole writes a file beside its place and then moves it there, so that nobody reads half of it, and a full disk
// leaves the one before.
func writeWhole(at string, content func(io.Writer) error) error {
	var all bytes.Buffer
	if err := content(&all); err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(at), "."+filepath.Base(at)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(part.Name()) }() // it is gone once it was moved
	_, err = part.Write(all.Bytes())
	if closeErr := part.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := os.Chmod(part.Name(), 0o644); err != nil { //nolint:gosec // as above
		return err
	}
	return os.Rename(part.Name(), at)
}
