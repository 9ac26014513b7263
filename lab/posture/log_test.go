package posture_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab/finding"
	"nomadlab.internal/lab/pki"
	"nomadlab.internal/lab/posture"
	"nomadlab.internal/lab/probe"
)

// memoryLog is an agent's log in memory.
type memoryLog struct {
	mu               sync.Mutex
	text             bytes.Buffer
	markErr, readErr error
}

func (l *memoryLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *memoryLog) Mark() (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(l.text.Len()), l.markErr
}

func (l *memoryLog) Since(mark int64) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(l.text.String()[mark:], "\n"), l.readErr
}

const reason = "invalid role or region for certificate"

func TestRefusalNeedsItsReasonInTheLog(t *testing.T) {
	gone := errors.New("log is gone")
	tests := []struct {
		name   string
		log    *memoryLog
		by     func(*memoryLog) posture.Spec
		result finding.Result
		says   string
	}{
		{"logged by the probe", &memoryLog{}, loggedBy("probe"), finding.Pass, "says why"},
		{"logged by the control", &memoryLog{}, loggedBy("control"), finding.Inconclusive, "did not show"},
		{"logged later", &memoryLog{}, loggedBy("later"), finding.Pass, "says why"},
		{"logged before", loggedBefore(), loggedBy("nobody"), finding.Inconclusive, "did not show"},
		{"not logged", &memoryLog{}, loggedBy("nobody"), finding.Inconclusive, "did not show"},
		{"no mark", &memoryLog{markErr: gone}, loggedBy("probe"), finding.Inconclusive, "log is gone"},
		{"no reading", &memoryLog{readErr: gone}, loggedBy("probe"), finding.Inconclusive, "log is gone"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			agent := server()
			agent.Log = test.log
			f := posture.Must(test.by(test.log)).Evaluate(t.Context(), agent)
			if f.Result != test.result || !strings.Contains(f.Reason, test.says) {
				t.Errorf("result %q because %q; want %q because of %q", f.Result, f.Reason, test.result, test.says)
			}
			if lines := logLines(f); (len(lines) == 1) != (test.result == finding.Pass) {
				t.Errorf("lines in evidence: %q", lines)
			}
		})
	}
}

func TestUnreadableLogIsSaid(t *testing.T) {
	f := posture.Must(loggedBy("nobody")(&memoryLog{})).Evaluate(t.Context(), server())
	if f.Result != finding.Pass || !strings.Contains(f.Reason, "not asserted") {
		t.Errorf("result %q because %q", f.Result, f.Reason)
	}
}

// TestFailDoesNotWaitForTheLog: a failed check needs no reason from the log.
func TestFailDoesNotWaitForTheLog(t *testing.T) {
	spec := loggedBy("nobody")(&memoryLog{})
	spec.LogWithin = time.Hour
	spec.Probe = answering("probe", probe.Accepted)
	agent := server()
	agent.Log = &memoryLog{}
	f := posture.Must(spec).Evaluate(t.Context(), agent)
	if f.Result != finding.Fail || f.Took > deadline.Hang {
		t.Errorf("result %q after %s", f.Result, f.Took)
	}
}

// loggedBy is a refusal whose reason is logged by the probe, by the control, by
// the probe but later, or by nobody.
func loggedBy(who string) func(*memoryLog) posture.Spec {
	return func(l *memoryLog) posture.Spec {
		write := func() { _, _ = l.Write([]byte("[WARN] nomad.rpc: " + reason + "\n")) }
		noting := func(part string, o probe.Outcome) probe.Probe {
			return probe.New(probe.PlaneRPC, part, func(context.Context, probe.Target) probe.Observation {
				switch {
				case part == who:
					write()
				case part == "probe" && who == "later":
					time.AfterFunc(80*time.Millisecond, write)
				}
				return probe.Observation{Outcome: o}
			}).WithEffect(probe.Reads())
		}
		spec := whole()
		spec.Probe, spec.Control = noting("probe", probe.RefusedInHandshake), noting("control", probe.Accepted)
		spec.LogText, spec.LogWithin = reason, 300*time.Millisecond
		return spec
	}
}

func loggedBefore() *memoryLog {
	l := &memoryLog{}
	_, _ = l.Write([]byte(reason + "\n"))
	return l
}

func logLines(f finding.Finding) []string {
	for _, e := range f.Evidence {
		if e.Part == finding.Log {
			return e.Lines
		}
	}
	return nil
}

// TestCheckOfARealListener uses a real TLS listener with its own log and certificates.
func TestCheckOfARealListener(t *testing.T) {
	authority, err := pki.NewAuthority(pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	holder, err := authority.Issue(pki.Identity{Role: pki.Server})
	if err != nil {
		t.Fatal(err)
	}
	check := posture.Must(posture.Spec{
		ID: "https-refuses-nobody", Title: "HTTPS refuses a caller without a certificate",
		Kind: posture.Safe, Severity: posture.Critical, Why: "verify_https_client",
		Probe:   probe.HTTP("/v1/agent/health", probe.Anonymous(holder)),
		Want:    posture.Want{probe.RefusedInHandshake},
		Control: probe.HTTP("/v1/agent/health", probe.As(holder)),
		LogText: "client didn't provide a certificate",
	})
	for demand, want := range map[tls.ClientAuthType]finding.Result{
		tls.RequireAndVerifyClientCert: finding.Pass,
		tls.VerifyClientCertIfGiven:    finding.Fail,
	} {
		agent, closeListener := listen(t, holder, demand)
		if f := check.Evaluate(t.Context(), agent); f.Result != want {
			t.Errorf("%v: result %q because %q; want %q: %+v", demand, f.Result, f.Reason, want, f.Evidence)
		}
		closeListener()
		if f := check.Evaluate(t.Context(), agent); f.Result != finding.Inconclusive {
			t.Errorf("%v, listener closed: result %q because %q", demand, f.Result, f.Reason)
		}
	}
}

// listen serves HTTPS and logs into the target's log.
func listen(t *testing.T, holder pki.Credential, demand tls.ClientAuthType) (probe.Target, func()) {
	t.Helper()
	cert, err := holder.TLSCertificate()
	if err != nil {
		t.Fatal(err)
	}
	pool, err := holder.Pool()
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: demand}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	l := &memoryLog{}
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	srv := &http.Server{Handler: ok, ErrorLog: log.New(l, "", 0)}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(listener) }()
	stop := sync.OnceFunc(func() {
		_ = srv.Close()
		<-done
	})
	t.Cleanup(stop)
	agent := server()
	agent.HTTP, agent.ServerName, agent.Log = listener.Addr().(*net.TCPAddr).String(), "server.global.nomad", l
	agent.Caller = "127.0.0.1"
	return agent, stop
}
