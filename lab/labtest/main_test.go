package labtest_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/labtest"
)

// What makes the test binary a child that has labs of its own, as another test process has.
const (
	// roleName says what the child does: "hold" or "fail".
	roleName = "LABTEST_ROLE"
	// countName says how many labs it has at once.
	countName = "LABTEST_COUNT"
	// failed is what a child says whose lab did not come up.
	failed = "a lab did not come up"
	// hardened makes the child's labs hardened.
	hardened = "LABTEST_HARDENED"
	// labName names the child's lab. Zero: each test's own.
	labName = "LABTEST_LAB"
)

// facts are what a child says about a lab that is ready.
type facts struct {
	Name, Folder, Run string
	Subnet            netip.Prefix
	Endpoints         []netip.AddrPort
}

func TestMain(m *testing.M) {
	role := os.Getenv(roleName)
	if role == "" {
		os.Exit(m.Run())
	}
	flag.Parse()
	if err := play(role); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// play runs tests as go test does. It returns only with an error: else the process ends as a test process does.
func play(role string) error {
	count, err := strconv.Atoi(os.Getenv(countName))
	if err != nil {
		return err
	}
	if err := flag.Set("test.parallel", strconv.Itoa(count)); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it
		close(ended)
	}()
	var tests []testing.InternalTest
	for i := range count {
		tests = append(tests, testing.InternalTest{Name: fmt.Sprintf("TestChild%d", i), F: func(t *testing.T) {
			t.Parallel()
			child(t, role, i, ended)
		}})
	}
	matchAll := func(string, string) (bool, error) { return true, nil }
	testing.Main(matchAll, tests, nil, nil)
	return nil
}

// child starts a lab, says so, and keeps it until the parent has seen enough. The first has a client, for two are enough
// to show that both kinds can.
func child(t *testing.T, role string, i int, ended <-chan struct{}) {
	options := []lab.Option{lab.Servers(1), lab.Clients(0)}
	if i == 0 && os.Getenv(countName) != "1" {
		options = append(options, lab.Clients(1))
	}
	if os.Getenv(hardened) != "" {
		options = append(options, lab.Hardened())
	}
	if name := os.Getenv(labName); name != "" {
		options = append(options, lab.Name(name))
	}
	defer func() {
		if t.Failed() && role != "fail" {
			_, _ = fmt.Fprintln(os.Stdout, failed) // else the parent would wait for this lab for ever, and the others for the parent
		}
	}()
	l := labtest.Start(t, options...)
	text, err := json.Marshal(factsOf(t, l))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stdout.Write(append(text, '\n')); err != nil {
		t.Fatal(err)
	}
	<-ended
	if role == "fail" {
		t.Error("as the role wants it")
	}
}
