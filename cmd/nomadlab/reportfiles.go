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

// output prints the report in the format that --format names, or as text if there is none or --out names a folder. It then
// also writes the folder's files, each completely or not at all.
func (f checkFlags) output(c console, r finding.Report) error {
	formats := slices.DeleteFunc(report.Formats(), func(x report.Format) bool {
		return len(f.formats) > 0 && !slices.Contains(f.formats, x.Name)
	})
	if f.out == "" && len(formats) == 1 && formats[0].Name != "text" {
		return formats[0].Write(c.out, r)
	}
	if err := report.Text(c.out, r, report.TextOptions{Verbose: f.verbose, Colour: c.out.colour, Width: c.out.width()}); err != nil || f.out == "" {
		return err
	}
	return f.files(c, formats, r)
}

// files writes the report's files into the folder that --out names, each completely or not at all.
func (f checkFlags) files(c console, formats []report.Format, r finding.Report) error {
	for _, format := range formats {
		at := filepath.Join(f.out, format.File)
		if err := writeWhole(at, func(w io.Writer) error { return format.Write(w, r) }); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		c.errs.printf("wrote %s", at)
	}
	return nil
}

// makePlaces makes the report's folder, and returns an error before the run if the report or the lock cannot be written.
func (f checkFlags) makePlaces(cmd *cobra.Command) error {
	if f.out != "" {
		if err := os.MkdirAll(f.out, 0o755); err != nil { //nolint:gosec // others may read a report; it holds no secret
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

// takesFiles returns an error if no file can be made in the folder.
func takesFiles(folder string) error {
	part, err := os.CreateTemp(folder, ".nomadlab-*")
	if err != nil {
		return err
	}
	return errors.Join(part.Close(), os.Remove(part.Name()))
}

// writeWhole writes a temporary file and renames it. A reader never sees a part of it, and if the disk is full the file
// before it stays.
func writeWhole(at string, content func(io.Writer) error) error {
	var all bytes.Buffer
	if err := content(&all); err != nil {
		return err
	}
	return replaceFile(at, 0o644, all.Bytes())
}
