package lab_test

import (
	"testing"

	"nomadlab.internal/lab"
)

// TestLastErrorOfALog: the error that is quoted of an agent that never got ready.
func TestLastErrorOfALog(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		want  string
	}{
		"of several": {[]string{
			"    2026-11-29T12:00:00.000Z [ERROR] client: error registering: error=\"old\"",
			"    2026-11-29T12:00:01.000Z [ERROR] client.rpc: error performing RPC: error=\"rpc error: tls: unknown authority\"",
			"    2026-11-29T12:00:02.000Z [INFO]  client: node registration",
		}, "client.rpc: error performing RPC: error=\"rpc error: tls: unknown authority\""},
		"none":  {[]string{"    2026-11-29T12:00:02.000Z [INFO]  client: node registration"}, ""},
		"empty": {nil, ""},
	} {
		if got := lab.LastError(c.lines); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
