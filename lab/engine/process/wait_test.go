package process_test

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// get requests a path of a service, from a given local address.
func get(from netip.Addr, at netip.AddrPort, path string) (string, error) {
	dialer := net.Dialer{}
	if from.IsValid() {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}}
	answer, err := c.Get("http://" + at.String() + path)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

// answers waits until the service answers, and returns the body.
func answers(t *testing.T, from netip.Addr, at netip.AddrPort, path string) (body string) {
	t.Helper()
	eventually(t, at.String()+" answers", func() string {
		var err error
		if body, err = get(from, at, path); err != nil {
			return err.Error()
		}
		return ""
	})
	return body
}

// testTimeout ends a wait. It is far longer than anything takes on a machine with a load of six times its processors.
const testTimeout = 5 * time.Minute

// eventually polls until the condition returns "".
func eventually(t *testing.T, what string, condition func() string) {
	t.Helper()
	deadline, ticker := time.Now().Add(testTimeout), time.NewTicker(5*time.Millisecond)
	defer ticker.Stop()
	for {
		seen := condition()
		if seen == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not %s, last seen: %s", what, seen)
		}
		<-ticker.C
	}
}

// untilFile waits until a script has written a line, and returns it without the line break.
func untilFile(t *testing.T, path string) (text string) {
	t.Helper()
	eventually(t, path+" is written", func() string {
		content, err := os.ReadFile(path)
		if err != nil {
			return err.Error()
		}
		if !strings.HasSuffix(string(content), "\n") {
			return "it has no line"
		}
		text = strings.TrimSuffix(string(content), "\n")
		return ""
	})
	return text
}

func untilPID(t *testing.T, path string) int {
	t.Helper()
	pid, err := strconv.Atoi(untilFile(t, path))
	must(t, err)
	return pid
}
