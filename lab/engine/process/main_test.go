package process_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"nomadlab.internal/lab/engine"
	"nomadlab.internal/lab/engine/enginetest"
	"nomadlab.internal/lab/engine/process"
)

// roleVariable in the environment makes this test binary another program: it is the nomad of these tests.
const roleVariable = "PROCESS_TEST_ROLE"

func TestMain(m *testing.M) {
	err := fmt.Errorf("unknown role %q", os.Getenv(roleVariable))
	switch os.Getenv(roleVariable) {
	case "":
		os.Exit(m.Run())
	case "service":
		err = runService(os.Args[1])
	case "conformance":
		err = enginetest.Service(os.Args[1], os.Args[2])
	case "starter":
		err = runStarter(context.Background(), os.Args[1], engine.Ref{Lab: os.Args[2], Node: os.Args[3]})
	}
	_, _ = fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// runService answers with the caller's and its own address, calls others on request, and ends with code 7 on request.
func runService(at string) error {
	_, _ = fmt.Fprintln(os.Stdout, "first")
	_, _ = fmt.Fprintln(os.Stderr, "second")
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		<-asked
		os.Exit(7)
	}()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		_, _ = fmt.Fprintf(w, "%s uid %d gid %d groups %s", host, os.Getuid(), os.Getgid(), groups())
	})
	http.HandleFunc("/environment", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Join(os.Environ(), "\n"))
	})
	http.HandleFunc("/call/", func(w http.ResponseWriter, r *http.Request) {
		answer, err := http.Get("http://" + strings.TrimPrefix(r.URL.Path, "/call/")) //nolint:gosec,nolintlint // a test's own
		if err != nil {
			_, _ = io.WriteString(w, err.Error())
			return
		}
		defer answer.Body.Close()
		_, _ = io.Copy(w, answer.Body)
	})
	return http.ListenAndServe(at, nil) //nolint:gosec,nolintlint // a test's own
}

// groups returns the supplementary groups.
func groups() string {
	list, err := os.Getgroups()
	return fmt.Sprint(list, err)
}

// runStarter starts a node and ends before it.
func runStarter(ctx context.Context, root string, r engine.Ref) error {
	e, err := process.NewIn(root)
	if err != nil {
		return err
	}
	s, err := e.Start(ctx, r)
	if err != nil {
		return err
	}
	if !s.Running {
		return errors.New("it does not run")
	}
	os.Exit(0)
	return nil
}
