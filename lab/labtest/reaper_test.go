package labtest_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"nomadlab.internal/internal/deadline"
	"nomadlab.internal/lab"
	"nomadlab.internal/lab/engine/engines"
	"nomadlab.internal/lab/labtest"
	"nomadlab.internal/lab/spec"
)

const (
	// reaperImage is the image that testcontainers runs as its reaper.
	reaperImage = "testcontainers/ryuk:0.14.0"
	// otherImage is that of a container which is not a lab's.
	otherImage = "nomadlab-test/other:latest"
	// otherName is the label of the child's own container, whose value is that of labName.
	otherName = "nomadlab-test.other"
	// containerFirst has the child run its container before its lab.
	containerFirst = "LABTEST_CONTAINER_FIRST"
)

// TestBesideTestcontainers: a test binary uses testcontainers itself, with its reaper, and labs. After kill -9 the reaper removes
// the binary's own container and the watchdog its lab, whichever the binary started first. A lab that is to stay stays.
func TestBesideTestcontainers(t *testing.T) {
	t.Parallel()
	docker := dockerClient(t)
	standInForTheReaper(t, docker)
	for order, first := range map[string]string{"the container first": "1", "the lab first": ""} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			home, name := t.TempDir(), victimName()
			keptName, e := name+"-kept", labtest.EngineOf(t, engines.Docker)
			t.Cleanup(func() {
				if err := e.Remove(context.Background(), keptName); err != nil {
					t.Error(err)
				}
			})
			c := launch(t, home, "beside", 1, labName+"="+name, containerFirst+"="+first, "TESTCONTAINERS_RYUK_DISABLED=false",
				"TESTCONTAINERS_SESSION_ID="+name, "TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1")
			f := c.ready(t, 1)[0]
			present(t, f, home)
			own := containersWith(t, docker, otherName+"="+name)
			if len(own) != 1 || own[0]["org.testcontainers.reap"] != "true" {
				t.Fatalf("the child's own containers have the labels %v, want one with that of the reaper", own)
			}
			nodes := append(containersWith(t, docker, "nomadlab.lab="+name), containersWith(t, docker, "nomadlab.lab="+keptName)...)
			if len(nodes) != 2 {
				t.Errorf("%d containers of labs, want 2", len(nodes))
			}
			for _, labels := range nodes {
				for label := range labels {
					if strings.HasPrefix(label, "org.testcontainers") {
						t.Errorf("a lab's container has the label %s", label)
					}
				}
			}
			c.kill(t)
			within(t, deadline.Hang, func() string {
				if len(containersWith(t, docker, otherName+"="+name)) > 0 {
					return "the reaper has not removed the child's own container"
				}
				return ""
			})
			gone(t, name, f.Run, home, deadline.Hang)
			if kept := containersWith(t, docker, "nomadlab.lab="+keptName); len(kept) != 1 {
				t.Errorf("%d containers of the lab that is to stay", len(kept))
			}
		})
	}
}

// beside is the child's part: a lab that stays, a lab of the test's own, and a container.
func beside(t *testing.T, start func() *lab.Lab) *lab.Lab {
	run := func() {
		_, err := testcontainers.Run(t.Context(), otherImage, testcontainers.WithCmd("wait"),
			testcontainers.WithLabels(map[string]string{otherName: os.Getenv(labName)}))
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Getenv(containerFirst) != "" {
		run()
	}
	stays, err := lab.Up(t.Context(), labtest.Engine(t),
		spec.Spec{}.With(spec.Name(os.Getenv(labName)+"-kept"), spec.Servers(1), spec.Clients(0)), lab.UpOptions{Wait: lab.Started})
	if err != nil {
		t.Fatal(err)
	}
	if err := stays.Keep(); err != nil {
		t.Fatal(err)
	}
	l := start()
	if os.Getenv(containerFirst) == "" {
		run()
	}
	return l
}

func dockerClient(t *testing.T) *client.Client {
	t.Helper()
	docker, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = docker.Close() })
	return docker
}

// containersWith returns the labels of the containers that have this one.
func containersWith(t *testing.T, docker *client.Client, label string) (labels []map[string]string) {
	t.Helper()
	found, err := docker.ContainerList(context.Background(), client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", label)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found.Items {
		labels = append(labels, c.Labels)
	}
	return labels
}

// standInForTheReaper makes the images from the program in testdata/reaper, and removes them when the test ends. A reaper's image
// that is there already is used as it is.
func standInForTheReaper(t *testing.T, docker *client.Client) {
	t.Helper()
	images := []string{otherImage}
	if _, err := docker.ImageInspect(t.Context(), reaperImage); errdefs.IsNotFound(err) {
		images = append(images, reaperImage)
	} else if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "reaper")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./testdata/reaper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	var files bytes.Buffer
	archive := tar.NewWriter(&files)
	if err := archive.WriteHeader(&tar.Header{Name: "reaper", Mode: 0o755, Size: int64(len(program))}); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Write(program); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	for _, image := range images {
		made, err := docker.ImageImport(t.Context(), client.ImageImportSource{Source: bytes.NewReader(files.Bytes()), SourceName: "-"}, image,
			client.ImageImportOptions{Changes: []string{`ENTRYPOINT ["/reaper"]`, "EXPOSE 8080"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, made); err != nil {
			t.Fatal(err)
		}
		_ = made.Close()
		t.Cleanup(func() {
			if _, err := docker.ImageRemove(context.Background(), image, client.ImageRemoveOptions{Force: true}); err != nil {
				t.Error(err)
			}
		})
	}
}
