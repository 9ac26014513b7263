package docker_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/testcontainers/testcontainers-go"

	"nomadlab.internal/lab/engine/docker"
)

// asVisitor in the environment makes this test binary a program that connects and says to what: testcontainers looks for
// the daemon once for a process, so that another environment takes another process.
const asVisitor = "NOMADLAB_TEST_AS_VISITOR"

func TestMain(m *testing.M) {
	switch os.Getenv(asVisitor) {
	case "":
		os.Exit(m.Run())
	case "late":
		testcontainers.ReadConfig()
	}
	e, err := docker.New(context.Background())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("connected to", e.DockerHost())
	os.Exit(0)
}
