package docker_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"

	"nomadlab.internal/lab/engine/docker"
)

// asVisitor in the environment makes this test binary a program that connects and says to what: testcontainers looks for
// the daemon once for a process, so that another environment takes another process.
const asVisitor = "NOMADLAB_TEST_AS_VISITOR"

func TestMain(m *testing.M) {
	if how := os.Getenv(asVisitor); how != "" {
		os.Exit(visitor(os.Stdout, how))
	}
	os.Exit(m.Run())
}

// visitor connects: "early", before anything has used testcontainers, "late", thereafter, or "hurried", within a time.
func visitor(out io.Writer, how string) int {
	ctx := context.Background()
	switch how {
	case "late":
		testcontainers.ReadConfig()
	case "hurried":
		hurried, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		ctx = hurried
	}
	e, err := docker.New(ctx)
	if err != nil {
		_, _ = fmt.Fprintln(out, err)
		return 1
	}
	_, _ = fmt.Fprintln(out, "connected to", e.DockerHost())
	_, _ = fmt.Fprintln(out, "the reaper is on:", !testcontainers.ReadConfig().RyukDisabled)
	return 0
}
