package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"nomadlab.internal/lab/pki"
)

// scriptAttempt is a cluster that a bash script brings up. The top of floor.sh says what a script reads and writes.
type scriptAttempt struct {
	name, folder string
	input        io.WriteCloser
	config       *tls.Config

	prepared, up, exited chan struct{}
	// stderr is what the script wrote there, and failure the error with which it ended, or nil if it succeeded. Read
	// both only after exited is closed.
	stderr  bytes.Buffer
	failure error

	mu      sync.Mutex
	started []netip.AddrPort
}

// startScript starts a contestant's script and returns when its certificates are made. The attempt has a new folder
// below the given one, which must exist.
func startScript(ctx context.Context, c contestant, below string, variables []string, clients int) (*scriptAttempt, error) {
	folder, err := os.MkdirTemp(below, c.name+"-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for %s: %w", c.title, err)
	}
	a := &scriptAttempt{
		name: c.title, folder: folder,
		prepared: make(chan struct{}), up: make(chan struct{}), exited: make(chan struct{}),
	}
	variables = append(variables, "FOLDER="+a.cluster(), "CLIENTS="+strconv.Itoa(clients))
	if err := a.start(ctx, c, variables); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	err = a.await(ctx, a.prepared)
	if err == nil {
		err = a.readCredential()
	}
	if err != nil {
		return nil, errors.Join(err, a.remove(ctx))
	}
	return a, nil
}

// cluster returns the folder that the script makes and removes.
func (a *scriptAttempt) cluster() string { return filepath.Join(a.folder, "cluster") }

// start starts the script in a process group of its own, so that an interrupt from the terminal does not reach it. The
// script ends when its input ends, which it also does when this process is killed.
func (a *scriptAttempt) start(ctx context.Context, c contestant, variables []string) error {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "bash", "-c", c.script, c.name)
	cmd.Env = append(os.Environ(), variables...)
	cmd.Stderr = &a.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err1 := cmd.StdinPipe()
	output, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("start %s: %w", a.name, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", a.name, err)
	}
	a.input = input
	go func() {
		defer close(a.exited)
		a.readOutput(output)
		if err := cmd.Wait(); err != nil {
			a.failure = fmt.Errorf("%s: %w: %s", a.name, err, strings.TrimSpace(a.stderr.String()))
		}
	}()
	return nil
}

// readOutput reads what the script writes, until it ends.
func (a *scriptAttempt) readOutput(output io.Reader) {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "prepared":
			close(a.prepared)
		case "up":
			close(a.up)
		case "server":
			at, err := netip.ParseAddrPort(rest)
			if err != nil {
				continue // the observer reports the server as missing
			}
			a.mu.Lock()
			a.started = append(a.started, at)
			a.mu.Unlock()
		}
	}
}

// await waits until a channel is closed. It returns an error if the script ends before that.
func (a *scriptAttempt) await(ctx context.Context, event <-chan struct{}) error {
	select {
	case <-event:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", a.name, context.Cause(ctx))
	case <-a.exited:
		if a.failure != nil {
			return a.failure
		}
		return fmt.Errorf("%s ended before it was told to: %s", a.name, strings.TrimSpace(a.stderr.String()))
	}
}

// readCredential reads the cli certificate that the script has made.
func (a *scriptAttempt) readCredential() error {
	var errs []error
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(a.cluster(), name))
		errs = append(errs, err)
		return data
	}
	cli := pki.Credential{
		CAPEM:   read("nomad-agent-ca.pem"),
		CertPEM: read("global-cli-nomad.pem"), KeyPEM: read("global-cli-nomad-key.pem"),
	}
	config, err := cli.ClientTLS("server.global.nomad")
	if read := errors.Join(errs...); read != nil {
		err = read
	}
	if err != nil {
		return fmt.Errorf("certificates of %s: %w", a.name, err)
	}
	a.config = config
	return nil
}

func (a *scriptAttempt) clientTLS() *tls.Config { return a.config }

func (a *scriptAttempt) servers() []netip.AddrPort {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.started)
}

// begin returns when the script has started the last agent.
func (a *scriptAttempt) begin(ctx context.Context) error {
	if _, err := io.WriteString(a.input, "\n"); err != nil {
		return fmt.Errorf("tell %s to begin: %w", a.name, err)
	}
	return a.await(ctx, a.up)
}

// remove ends the script's input, which makes it remove everything, and waits until it has ended. It does not kill a
// script that does not end, because its cluster would stay: the error says that the script goes on.
func (a *scriptAttempt) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalTimeout)
	defer cancel()
	_ = a.input.Close() // already closed if the script has ended
	select {
	case <-a.exited:
	case <-ctx.Done():
		return fmt.Errorf("%s has not removed its cluster within %s: it goes on trying", a.name, removalTimeout)
	}
	if err := os.RemoveAll(a.folder); err != nil {
		return fmt.Errorf("remove the folder of %s: %w", a.name, err)
	}
	return a.failure
}
