package labtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"testing"

	"nomadlab.internal/lab"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/spec"
)

// What makes the test binary a child that has labs of its own, as another test process has.
const (
	// roleName says what the child does: "hold" or "fail" with labs of its own, "beside" with a container too, "ask" one of its
	// parent's.
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
	flag.Parse()
	switch role := os.Getenv(roleName); role {
	case "":
		os.Exit(withHome(m))
	case "ask":
		exit(ask(context.Background(), os.Getenv(labName), os.Stdout))
	default:
		exit(play(role))
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// atOnce is how many tests run side by side, where -parallel does not say so. They wait more than they compute.
const atOnce = 4

// sideBySide sets how many tests run at once.
func sideBySide() error {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return nil
	}
	return flag.Set("test.parallel", strconv.Itoa(max(atOnce, runtime.GOMAXPROCS(0))))
}

// withHome runs the tests with one folder for what all their labs keep, so that they may run side by side: a test that
// changes the environment may not. Labs have names of their own in it, and children other folders. The folder stays if a
// test fails, for the evidence that is in it.
func withHome(m *testing.M) int {
	home, err := os.MkdirTemp("", "labtest-")
	if err == nil {
		err = errors.Join(os.Setenv("XDG_STATE_HOME", home), sideBySide())
	}
	code := 1
	if err == nil {
		code = m.Run()
	}
	if code == 0 {
		err = os.RemoveAll(home)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
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
	options := []spec.Option{spec.Servers(1), spec.Clients(0)}
	if i == 0 && os.Getenv(countName) != "1" {
		options = append(options, spec.Clients(1))
	}
	if os.Getenv(hardened) != "" {
		options = append(options, spec.Hardened())
	}
	if name := os.Getenv(labName); name != "" {
		options = append(options, spec.Name(name))
	}
	defer func() {
		if t.Failed() && role != "fail" {
			_, _ = fmt.Fprintln(os.Stdout, failed) // else the parent would wait for this lab for ever, and the others for the parent
		}
	}()
	start := func() *lab.Lab { return labtest.Start(t, options...) }
	var l *lab.Lab
	if role == "beside" {
		l = beside(t, start)
	} else {
		l = start()
	}
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
