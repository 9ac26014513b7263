package agentconf_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nomadlab.internal/lab/agentconf"
	"nomadlab.internal/lab/image"
)

// realNomad is the binary of the Nomad whose merging is looked at.
func realNomad(t *testing.T) string {
	t.Helper()
	found, err := image.ResolveBinary(t.Context(), image.Request{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return found.Path
}

// answer is what became of a real agent that was started with some files.
type answer struct {
	// config is what the agent says that it has, by GET /v1/agent/self, right after its start. Nil: it ended before.
	config map[string]any
	// keys are the gossip keys that it says that it has.
	keys []string
	// refused is true for an agent that ended over what the files say: it said nothing of starting. An agent that ended later
	// did so over something on this machine.
	refused bool
	said    string
}

// cheapAgent is a server alone on loopback. Its API answers before there is a leader, and it knows the settings of clients
// too.
type cheapAgent struct {
	nomad  string
	folder string
	// at is a loopback address that hardly any other program uses.
	at    string
	ports [3]int
	// ends is true for an agent that is to end by itself, and is not asked before.
	ends bool
}

// overlay is what keeps an agent to itself, and is read behind the files that are looked at: strings yield to later ones.
func (a cheapAgent) overlay() agentconf.File {
	return agentconf.NewFile("zz-overlay.hcl", fmt.Appendf(nil, `
name = "agent"
data_dir = %[1]q
bind_addr = %[2]q
log_level = "INFO"
disable_update_check = true
advertise {
  http = %[2]q
  rpc  = %[2]q
  serf = %[2]q
}
addresses {
  http = %[2]q
  rpc  = %[2]q
  serf = %[2]q
}
ports {
  http = %[3]d
  rpc  = %[4]d
  serf = %[5]d
}
consul {
  auto_advertise   = false
  server_auto_join = false
  client_auto_join = false
}
server {
  enabled        = true
  num_schedulers = 1
}
`, filepath.Join(a.folder, "data"), a.at, a.ports[0], a.ports[1], a.ports[2]))
}

func newCheapAgent(t *testing.T, nomad string) cheapAgent {
	t.Helper()
	a := cheapAgent{nomad: nomad, folder: t.TempDir(), at: fmt.Sprintf("127.0.0.%d", 2+os.Getpid()%250)}
	for i := range a.ports {
		l := listenQuietly(t)
		defer func() { _ = l.Close() }() // only now, so that no two of them are one
		a.ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return a
}

// listenQuietly listens at every address, as some of the agents do, on a port below those that the kernel gives to
// connections and to listeners that ask for any: none of them takes it between its choice and the agent's start.
func listenQuietly(t *testing.T) net.Listener {
	t.Helper()
	const first, end, tries = 10000, 32768, 100 // the kernel's begin at 32768 (ip(7), ip_local_port_range)
	var failed error
	for range tries {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf(":%d", first+rand.IntN(end-first)))
		if err == nil {
			return l
		}
		failed = err
	}
	t.Fatalf("no port from %d on is free: %v", first, failed)
	return nil
}

// ask starts the agent with the files, in their order, and its overlay, and returns what it says of itself. The agent is gone
// afterwards.
func (a cheapAgent) ask(t *testing.T, files agentconf.Files) answer {
	t.Helper()
	return a.run(t, append(slices.Clip(files), a.overlay()))
}

// run starts the agent with the files.
func (a cheapAgent) run(t *testing.T, files agentconf.Files) answer {
	t.Helper()
	arguments := []string{"agent"}
	for i, f := range files {
		at := filepath.Join(a.folder, fmt.Sprintf("%02d-%s", i, filepath.Base(f.Name())))
		if err := os.WriteFile(at, f.Text(), 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, "-config", at)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var said bytes.Buffer
	agent := exec.CommandContext(ctx, a.nomad, arguments...)
	agent.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.folder}
	agent.Stdout, agent.Stderr = &said, &said
	defer killWithParent(agent)()
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- agent.Wait() }()
	out, over := a.answer(ctx, ended)
	stop() // kills it
	if !over {
		<-ended
	}
	out.said = said.String()
	if out.config == nil && !over {
		t.Fatalf("the agent neither answered nor ended:\n%s\n%s", out.said, shown(files))
	}
	out.refused = out.config == nil && !strings.Contains(out.said, "Starting Nomad agent...")
	return out
}

// answer is what the agent says of itself. over reports that it has ended.
func (a cheapAgent) answer(ctx context.Context, ended <-chan error) (out answer, over bool) {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		var self struct {
			Config map[string]any `json:"config"`
		}
		if err := a.get(ctx, "/v1/agent/self", &self); err == nil && !a.ends {
			var list struct{ Keys map[string]int }
			if err := a.get(ctx, "/v1/agent/keyring/list", &list); err == nil {
				for k := range list.Keys {
					out.keys = append(out.keys, k)
				}
			}
			out.config = self.Config
			return out, false
		}
		select {
		case <-ended:
			return out, true
		case <-ctx.Done():
			return out, false
		case <-ticker.C:
		}
	}
}

func (a cheapAgent) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d%s", a.at, a.ports[0], path), nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return json.Unmarshal(body, into)
}
