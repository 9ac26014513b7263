package contest

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
	"time"

	"nomadlab.internal/bench/measure"
	"nomadlab.internal/lab/pki"
)

// removalWithin bounds the removal of a cluster.
const removalWithin = 2 * time.Minute

// Script is a contestant that is a bash script. What it is told and what it says is written at the top of floor.sh.
type Script struct {
	// Contestant says who it is.
	Contestant measure.Contestant
	// Text is the script.
	Text string
	// Environment has NAME=value entries for it.
	Environment []string
	// Folder is where each attempt gets a folder of its own. It must be there.
	Folder string
}

// About says who it is.
func (s Script) About() measure.Contestant { return s.Contestant }

// Prepare starts the script, and returns when its certificates are made.
func (s Script) Prepare(ctx context.Context, clients int) (Attempt, error) {
	folder, err := os.MkdirTemp(s.Folder, s.Contestant.Name+"-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for %s: %w", s.Contestant.Title, err)
	}
	r := &run{name: s.Contestant.Title, folder: folder, prepared: make(chan struct{}), up: make(chan struct{}), exited: make(chan struct{})}
	if err := r.start(ctx, s, clients); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := r.await(ctx, r.prepared); err != nil {
		return nil, errors.Join(err, r.Remove(ctx))
	}
	if err := r.readCredential(); err != nil {
		return nil, errors.Join(err, r.Remove(ctx))
	}
	return r, nil
}

// run is a script that runs.
type run struct {
	name, folder string
	input        io.WriteCloser
	config       *tls.Config
	words        bytes.Buffer // what it wrote to standard error; read it only after exited

	prepared, up, exited chan struct{}

	mu      sync.Mutex
	servers []netip.AddrPort
	// failure is how it ended. Nil: it did not end, or ended well.
	failure error
}

// start starts the script as a group of its own: an interrupt from the terminal is then ours alone, and the script ends
// as always, when its input does. It ends so, too, when this process is killed.
func (r *run) start(ctx context.Context, s Script, clients int) error {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "bash", "-c", s.Text, s.Contestant.Name)
	cmd.Env = append(os.Environ(), s.Environment...)
	cmd.Env = append(cmd.Env, "FOLDER="+filepath.Join(r.folder, "cluster"), "CLIENTS="+strconv.Itoa(clients))
	cmd.Stderr = &r.words
	groupOfItsOwn(cmd)
	input, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", r.name, err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", r.name, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", r.name, err)
	}
	r.input = input
	go func() {
		defer close(r.exited)
		r.listen(output)
		r.end(cmd.Wait())
	}()
	return nil
}

func (r *run) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failure = fmt.Errorf("%s: %w: %s", r.name, err, strings.TrimSpace(r.words.String()))
	}
}

// listen reads what the script says, until it ends.
func (r *run) listen(output io.Reader) {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "prepared":
			close(r.prepared)
		case "up":
			close(r.up)
		case "server":
			r.heard(rest)
		}
	}
}

// heard notes the address of a server. One that cannot be read is left out, and the observer will miss it.
func (r *run) heard(address string) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.servers = append(r.servers, at)
}

// await waits until the script has said something.
func (r *run) await(ctx context.Context, said <-chan struct{}) error {
	select {
	case <-said:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", r.name, context.Cause(ctx))
	case <-r.exited:
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.failure != nil {
			return r.failure
		}
		return fmt.Errorf("%s ended before it was told to: %s", r.name, strings.TrimSpace(r.words.String()))
	}
}

func (r *run) readCredential() error {
	var errs []error
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(r.folder, "cluster", name))
		errs = append(errs, err)
		return data
	}
	cli := pki.Credential{
		CAPEM:   read("nomad-agent-ca.pem"),
		CertPEM: read("global-cli-nomad.pem"), KeyPEM: read("global-cli-nomad-key.pem"),
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("certificates of %s: %w", r.name, err)
	}
	config, err := cli.ClientTLS("server.global.nomad")
	if err != nil {
		return fmt.Errorf("certificates of %s: %w", r.name, err)
	}
	r.config = config
	return nil
}

// TLS has the cli certificate that the script has made.
func (r *run) TLS() *tls.Config { return r.config }

// Servers are those that the script has said it has started.
func (r *run) Servers() []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.servers)
}

// Begin tells the script to go on, and returns when it has started the last agent.
func (r *run) Begin(ctx context.Context) error {
	if _, err := io.WriteString(r.input, "\n"); err != nil {
		return fmt.Errorf("tell %s to begin: %w", r.name, err)
	}
	return r.await(ctx, r.up)
}

// Remove ends the script's input, which tells it to remove everything, and waits until it has ended. One that does not
// end is left to go on, and the error says so: to kill it would leave its cluster behind.
func (r *run) Remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalWithin)
	defer cancel()
	_ = r.input.Close() // it may be closed already, for the script has ended
	select {
	case <-r.exited:
	case <-ctx.Done():
		return fmt.Errorf("%s has not removed its cluster within %s: it goes on trying", r.name, removalWithin)
	}
	if err := os.RemoveAll(r.folder); err != nil {
		return fmt.Errorf("remove the folder of %s: %w", r.name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure
}
