package rollout

import (
	"path"
	"strings"
)

// seen returns the text of an error in one line; empty for nil.
func seen(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// firstLine returns the first line of an error's text.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// emptied returns the content of a configuration file that says nothing. Engines delete no file.
func emptied(file string) []byte {
	if path.Ext(file) == ".json" {
		return []byte("{}\n")
	}
	return []byte("# This file says nothing.\n")
}
