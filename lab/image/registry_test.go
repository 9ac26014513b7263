package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// registry starts an image registry on loopback, which Docker uses without TLS. It has one image, with that tag, whose one
// layer is slow.
func registry(t *testing.T, tag string, slow time.Duration) (host string) {
	t.Helper()
	return serve(t, tag, archiveOf(t, fmt.Sprint(t.Name(), time.Now())), slow)
}

// serve is registry for an image with these files, a tar archive.
func serve(t *testing.T, tag string, files []byte, slow time.Duration) (host string) {
	t.Helper()
	layer, diffID := layerOf(t, files)
	config := asJSON(t, map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{diffID}},
	})
	const kind = "application/vnd.docker."
	describe := func(media string, blob []byte) map[string]any {
		return map[string]any{"mediaType": kind + media, "size": len(blob), "digest": digest(blob)}
	}
	manifest := asJSON(t, map[string]any{
		"schemaVersion": 2, "mediaType": kind + "distribution.manifest.v2+json",
		"config": describe("container.image.v1+json", config),
		"layers": []any{describe("image.rootfs.diff.tar.gzip", layer)},
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		switch {
		case r.URL.Path == "/v2/":
		case name == tag || name == digest(manifest):
			w.Header().Set("Content-Type", kind+"distribution.manifest.v2+json")
			w.Header().Set("Docker-Content-Digest", digest(manifest))
			w.Write(manifest)
		case name == digest(config):
			w.Write(config)
		case name == digest(layer):
			select {
			case <-time.After(slow):
			case <-r.Context().Done():
			}
			w.Write(layer)
		default:
			w.WriteHeader(http.StatusNotFound)
			w.Write([]byte(`{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`))
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// silentRegistry accepts connections and never answers.
func silentRegistry(t *testing.T) (host string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
		}
	}()
	return listener.Addr().String()
}

// layerOf returns a gzipped tar archive, and the digest of the bare one.
func layerOf(t *testing.T, bare []byte) (layer []byte, diffID string) {
	t.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	zip.Write(bare)
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes(), digest(bare)
}

// archiveOf returns a tar archive with one file.
func archiveOf(t *testing.T, content string) []byte {
	t.Helper()
	return archiveWith(t, "content", 0o644, []byte(content))
}

func archiveWith(t *testing.T, name string, mode int64, content []byte) []byte {
	t.Helper()
	var bare bytes.Buffer
	archive := tar.NewWriter(&bare)
	archive.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content))})
	archive.Write(content)
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return bare.Bytes()
}

func digest(blob []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(blob)) }

func asJSON(t *testing.T, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
