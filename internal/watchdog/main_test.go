//go:build linux

package watchdog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"testing"
	"time"

	"nomadlab.internal/internal/watchdog"
)

// roleName makes the test binary play one part in a test; the other variables are its instructions.
const (
	roleName   = "WATCHDOG_TEST_ROLE"
	scriptName = "WATCHDOG_TEST_SCRIPT"
	secretName = "WATCHDOG_TEST_SECRET"
)

// script is what an owner does.
type script struct {
	Target  watchdog.Target
	Image   string
	Limit   time.Duration // zero: the usual one
	Release bool
	Delete  bool // its own program, before it starts the watchdog
}

// cast is what an owner writes when it has done all of that.
type cast struct {
	Owner    int
	Watchdog int
}

func TestMain(m *testing.M) {
	var err error
	switch role := os.Getenv(roleName); role {
	case "":
		os.Exit(m.Run())
	case "owner":
		err = playOwner(context.Background())
	case "runner":
		err = playRunner()
	case "sleeper":
		awaitInterrupt()
	case "forker":
		err = playForker()
	case "sweeper":
		err = playSweeper(context.Background())
	case "mounter":
		err = playMounter(context.Background())
	case "speaker":
		fmt.Println("ran")
	default:
		err = fmt.Errorf("unknown role %q", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// again is the test binary in a role, without the roles of the process that starts it.
func again(role string, env ...string) *exec.Cmd {
	command := exec.Command("/proc/self/exe")
	command.Env = append(os.Environ(), roleName+"="+role)
	command.Env = append(command.Env, env...)
	return command
}

func playOwner(ctx context.Context) error {
	var s script
	if err := json.Unmarshal([]byte(os.Getenv(scriptName)), &s); err != nil {
		return err
	}
	if s.Delete {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if err := os.Remove(self); err != nil {
			return err
		}
	}
	w, err := watchdog.StartWithLimit(ctx, s.Target, s.Limit)
	if err != nil {
		return err
	}
	if err := furnish(ctx, s.Target, s.Image); err != nil {
		return err
	}
	if s.Release {
		if err := w.Release(); err != nil {
			return err
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(cast{Owner: os.Getpid(), Watchdog: w.PID()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin) // until the test ends, or kills this process
	return err
}

// playRunner does what the go command does: it runs a program with its own streams and waits for it.
func playRunner() error {
	command := again("owner")
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	return command.Run()
}

func awaitInterrupt() {
	interrupt := make(chan os.Signal, 1)
	signal.Notify(interrupt, os.Interrupt)
	<-interrupt
}

// forks is how many generations a forker has, so that a broken sweep cannot fill the machine.
const forks = 30

func playForker() error {
	generation := 0
	if _, err := fmt.Sscan(os.Getenv(scriptName), &generation); err != nil {
		return err
	}
	if generation < forks {
		if err := again("forker", fmt.Sprintf("%s=%d", scriptName, generation+1)).Start(); err != nil {
			return err
		}
	}
	awaitInterrupt()
	return nil
}

func playSweeper(ctx context.Context) error {
	var target watchdog.Target
	if err := json.Unmarshal([]byte(os.Getenv(scriptName)), &target); err != nil {
		return err
	}
	swept, err := watchdog.Sweep(ctx, target)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(swept)
}
