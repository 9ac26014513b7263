package enginetest

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"nomadlab.internal/internal/deadline"
)

// Service is a program for [Subject.Serve], to be called by a test binary's TestMain. It answers every request at that address
// with a text, and exits with code 7 on SIGTERM. It returns only if it cannot listen.
func Service(address, text string) error {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		<-asked
		os.Exit(7)
	}()
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	server := &http.Server{Addr: address, Handler: answer, ReadHeaderTimeout: deadline.Hang}
	return fmt.Errorf("serve at %s: %w", address, server.ListenAndServe())
}
