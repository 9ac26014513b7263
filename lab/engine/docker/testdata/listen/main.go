// Listen is what a test runs in a container: servers on the loopback of that container alone.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

func main() {
	for at, serve := range map[string]func(*net.TCPConn){
		"127.0.0.1:7001": echo, "127.0.0.1:7002": count, "127.0.0.1:7003": hush, "127.0.0.1:7004": first,
	} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				go serve(c.(*net.TCPConn))
			}
		}()
	}
	fmt.Println("listening")
	select {}
}

// echo writes the caller's address, then what the caller sends, until the caller has ended.
func echo(c *net.TCPConn) {
	defer func() { _ = c.Close() }()
	_, _ = fmt.Fprintln(c, c.RemoteAddr().(*net.TCPAddr).IP)
	_, _ = io.Copy(c, c)
}

// count answers when its caller has ended, and not before.
func count(c *net.TCPConn) {
	defer func() { _ = c.Close() }()
	n, _ := io.Copy(io.Discard, c)
	_, _ = fmt.Fprint(c, n)
}

// hush does nothing, and never ends.
func hush(*net.TCPConn) {}

// first ends its own way before it listens, and logs what it then heard.
func first(c *net.TCPConn) {
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, "your turn")
	_ = c.CloseWrite()
	heard, err := io.ReadAll(c)
	fmt.Printf("heard %q, %v\n", heard, err)
}
