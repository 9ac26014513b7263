// Command reaper stands in for the reaper of testcontainers, whose image a machine without a registry cannot have. It speaks the
// reaper's protocol on port 8080: a connection sends filters, "label=a=b&label=c=d\n", and gets "ACK\n". When that connection has
// ended, reaper removes the containers that match, and ends. With an argument it does nothing.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", ":8080")
	check(err)
	fmt.Println("Started")
	for {
		c, err := listener.Accept()
		check(err)
		if len(os.Args) == 1 {
			go serve(c)
		}
	}
}

// serve ends with the connection. One that sends no filter, such as that of a port check, has no effect.
func serve(c net.Conn) {
	var filters []url.Values
	for lines := bufio.NewScanner(c); lines.Scan(); {
		filter, err := url.ParseQuery(lines.Text())
		check(err)
		filters = append(filters, filter)
		_, err = fmt.Fprint(c, "ACK\n")
		check(err)
	}
	for _, f := range filters {
		remove(f["label"])
	}
	if len(filters) > 0 {
		os.Exit(0)
	}
}

// remove removes the containers that have all the labels.
func remove(labels []string) {
	http.DefaultTransport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", "/var/run/docker.sock")
	}}
	filters, err := json.Marshal(map[string][]string{"label": labels})
	check(err)
	answer, err := http.Get("http://docker/containers/json?all=true&filters=" + url.QueryEscape(string(filters)))
	check(err)
	var found []struct{ ID string }
	check(json.NewDecoder(answer.Body).Decode(&found))
	for _, c := range found {
		request, err := http.NewRequest(http.MethodDelete, "http://docker/containers/"+c.ID+"?force=true&v=true", nil)
		check(err)
		_, err = http.DefaultClient.Do(request)
		check(err)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
