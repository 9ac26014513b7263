package labtest

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
)

var notInLabel = regexp.MustCompile(`[^a-z0-9]+`)

// Name returns a name for a lab that contains the test's name and is unique.
func Name(t testing.TB) string {
	slug := strings.Trim(notInLabel.ReplaceAllString(strings.ToLower(t.Name()), "-"), "-")
	slug = strings.TrimPrefix(slug, "test")
	random := make([]byte, 4)
	_, _ = rand.Read(random) // never fails (crypto/rand)
	return "t-" + strings.Trim(slug[:min(len(slug), 20)], "-") + "-" + hex.EncodeToString(random)
}
