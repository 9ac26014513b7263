// Command reaper stands in for the reaper of testcontainers, whose image a machine without a registry cannot have. It speaks the
// reaper's protocol on port 8080: each connection sends filters, "label=a=b&label=c=d\n", and gets "ACK\n". When the last connection
// has ended, reaper removes the containers that match one of the filters, and ends. With an argument it only waits for SIGTERM.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

func main() {
	if len(os.Args) > 1 {
		wait := make(chan os.Signal, 1)
		signal.Notify(wait, syscall.SIGTERM)
		<-wait
		return
	}
	listener, err := net.Listen("tcp", ":8080")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("Started")
	r := &reaper{filters: map[string][]string{}, ended: make(chan struct{})}
	go r.serve(listener)
	<-r.ended
	for _, labels := range r.filters {
		if err := removeMatching(labels); err != nil {
			log.Fatal(err)
		}
	}
}

// reaper knows the connections that are open, and the filters that they sent.
type reaper struct {
	mu      sync.Mutex
	open    int
	filters map[string][]string
	ended   chan struct{}
}

func (r *reaper) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		r.note(1, "")
		go r.handle(c)
	}
}

// handle ends with the connection. One that sends no filter, as that of a port check, does not count.
func (r *reaper) handle(c net.Conn) {
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		r.note(0, lines.Text())
		_, _ = io.WriteString(c, "ACK\n")
	}
	r.note(-1, "")
}

func (r *reaper) note(opened int, filter string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if values, err := url.ParseQuery(filter); err == nil && filter != "" {
		r.filters[filter] = values["label"]
	}
	if r.open += opened; r.open == 0 && len(r.filters) > 0 {
		close(r.ended)
	}
}

// removeMatching removes the containers that have all the labels.
func removeMatching(labels []string) error {
	docker := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", "/var/run/docker.sock")
	}}}
	filters, err := json.Marshal(map[string][]string{"label": labels})
	if err != nil {
		return err
	}
	answer, err := docker.Get("http://docker/containers/json?all=true&filters=" + url.QueryEscape(string(filters)))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var found []struct{ ID string }
	if err := json.NewDecoder(answer.Body).Decode(&found); err != nil {
		return err
	}
	for _, c := range found {
		request, err := http.NewRequest(http.MethodDelete, "http://docker/containers/"+c.ID+"?force=true&v=true", nil)
		if err != nil {
			return err
		}
		removed, err := docker.Do(request)
		if err != nil {
			return err
		}
		removed.Body.Close()
	}
	return nil
}
