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

// The ports of testdata/listen, on the loopback of its container, and one without a listener.
const (
	echoPort, countPort, silentPort, firstPort, deadPort = 7001, 7002, 7003, 7004, 7009
)

// eachDialer runs a test with both kinds of connections into a container: as root beside the daemon, and through nc.
func eachDialer(t *testing.T, test func(*testing.T, testLab)) {
	t.Helper()
	program := staticProgram(t, "./testdata/listen")
	for name, byNC := range map[string]bool{"by network namespace": false, "by nc": true} {
		t.Run(name, func(t *testing.T) {
			w := newTestLab(t)
			w.program = program
			if byNC {
				w.UseNC()
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

// staticProgram returns a program built from a folder. It is static, because the image has no C library.
func staticProgram(t *testing.T, folder string) []byte {
	t.Helper()
	program, err := programs[folder]()
	if err != nil {
		t.Fatalf("build the program for the container: %v", err)
	}
	return program
}

// buildStatic compiles as `make build` does, so that most packages are in the build cache, and links the C library into the
// program. Without a static C library it compiles everything again, without C, in half a minute of processor time.
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

// listener returns a node that listens on its own loopback only.
func (w testLab) listener(name string, number int, inside ...uint16) engine.Node {
	n := w.service(name, number)
	n.Command = []string{"/listen"}
	n.Files = []engine.File{{Path: "/listen", Mode: fs.FileMode(0o755), Data: w.program}}
	n.Ports = []uint16{echoPort, countPort, silentPort, firstPort, deadPort}
	n.Inside = inside
	return n
}

func allInside() []uint16 { return []uint16{echoPort, countPort, silentPort, firstPort, deadPort} }

// listening starts the node and waits until it listens.
func (w testLab) listening(t *testing.T, n engine.Node) engine.State {
	t.Helper()
	s := w.started(t, n)
	w.awaitLog(t, n.Ref, "listening")
	return s
}

func (w testLab) awaitLog(t *testing.T, r engine.Ref, words string) {
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

// dial connects, and sets a deadline for all that follows.
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

// greeting is what the echo begins with: the address that the caller has for the node.
const greeting = "127.0.0.1\n"

// echoes sends the bytes while it reads them back, closes its direction, and returns an error if anything else comes.
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

// read returns what comes after the caller has closed its direction.
func read(conn *net.TCPConn) (string, error) {
	closed := conn.CloseWrite()
	got, err := io.ReadAll(conn)
	return string(got), errors.Join(err, closed)
}
