package docker_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nomadlab.internal/lab/engine"
)

// The ports of testdata/listen, on the loopback of its container, and one that nobody listens on.
const (
	echoPort, countPort, hushPort, firstPort, deadPort = 7001, 7002, 7003, 7004, 7009
)

// ways are how connections are made inside a container: as root beside the daemon, and as everybody else.
func ways(t *testing.T, test func(*testing.T, world)) {
	t.Helper()
	program := staticProgram(t, "./testdata/listen")
	for name, byCommand := range map[string]bool{"within its network": false, "by nc": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.program = program
			if byCommand {
				w.ByCommand()
			}
			test(t, w)
		})
	}
}

// The programs of testdata, each built once for all tests.
var programs = map[string]func() ([]byte, error){
	"./testdata/inside": sync.OnceValues(func() ([]byte, error) { return buildStatic("./testdata/inside") }),
	"./testdata/listen": sync.OnceValues(func() ([]byte, error) { return buildStatic("./testdata/listen") }),
}

// staticProgram is built from a folder, as the image has no C library.
func staticProgram(t *testing.T, folder string) []byte {
	t.Helper()
	program, err := programs[folder]()
	if err != nil {
		t.Fatalf("build the program for the container: %v", err)
	}
	return program
}

// buildStatic compiles as `make build` does, so that what the command is made of is compiled already, and links the C library
// into the program. Where that cannot be had, it compiles everything anew, without C, at half a minute of processor time.
func buildStatic(folder string) ([]byte, error) {
	into, err := os.MkdirTemp("", "static-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(into) }()
	path := filepath.Join(into, "program")
	withC := exec.Command("go", "build", "-trimpath", "-ldflags", "-linkmode external -extldflags -static", "-o", path, folder)
	if withC.Run() != nil {
		withoutC := exec.Command("go", "build", "-trimpath", "-o", path, folder)
		withoutC.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := withoutC.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, text)
		}
	}
	return os.ReadFile(path)
}

// listener is a node that listens on its own loopback alone.
func (w world) listener(name string, number int, inside ...uint16) engine.Node {
	n := w.service(name, number)
	n.Command = []string{"/listen"}
	n.Files = []engine.File{{Path: "/listen", Mode: fs.FileMode(0o755), Data: w.program}}
	n.Ports = []uint16{echoPort, countPort, hushPort, firstPort, deadPort}
	n.Inside = inside
	return n
}

func allInside() []uint16 { return []uint16{echoPort, countPort, hushPort, firstPort, deadPort} }

// listening starts the node and waits until it listens.
func (w world) listening(t *testing.T, n engine.Node) engine.State {
	t.Helper()
	s := w.started(t, n)
	w.awaitLog(t, n.Ref, "listening")
	return s
}

func (w world) awaitLog(t *testing.T, r engine.Ref, words string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%q in the log of %s", words, r), func() string {
		log, err := w.Logs(t.Context(), r, false)
		if err != nil {
			return err.Error()
		}
		defer func() { _ = log.Close() }()
		all, err := io.ReadAll(log)
		if err != nil || !strings.Contains(string(all), words) {
			return fmt.Sprintf("%s %v", all, err)
		}
		return ""
	})
}

// dial connects, and bounds all that follows.
func dial(t *testing.T, at netip.AddrPort) *net.TCPConn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// greeting is what the echo begins with, as who the caller looks like.
const greeting = "127.0.0.1\n"

// echoes sends the bytes while it reads them back, ends, and demands that nothing else comes.
func echoes(at netip.AddrPort, sent []byte) error {
	conn, err := net.DialTimeout("tcp", at.String(), 10*time.Second)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return err
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := conn.Write(sent)
		wrote <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	got, err := io.ReadAll(conn)
	if err = errors.Join(err, <-wrote); err != nil {
		return err
	}
	if !bytes.Equal(got, append([]byte(greeting), sent...)) {
		return fmt.Errorf("sent %d bytes, got %d, or others", len(sent), len(got))
	}
	return nil
}

// read is what comes after the caller has ended its direction.
func read(conn *net.TCPConn) (string, error) {
	closed := conn.CloseWrite()
	got, err := io.ReadAll(conn)
	return string(got), errors.Join(err, closed)
}
