// SPDX-License-Identifier: Apache-2.0

// Both ends of HTTPS by Go's crypto/tls.
//
//	tls_peer serve PORT PEM    HTTP/1 and HTTP/2; says "ready"
//	tls_peer wrap PORT PEM     the same, and its connections are wrapped, in six ways, and have IPv6
//	tls_peer get VERSION PORT  GETs of the paths that its input has, one in a line, over one
//	                           connection; says the status of each
//	tls_peer lazy PORT         likewise, HTTP/1 by hand: the first write shakes hands
//	tls_peer feign PORT        likewise, over a connection whose memory looks like that of Go's own,
//	                           with the descriptor of another one in it
//	tls_peer crowd PORT COUNT  so many GETs of /crowd, 50 at a time, each on a new goroutine with a
//	                           small stack and a connection of its own
package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

const bodyBytes = 40000 // more than two records; that of /small is small

type noting struct {
	net.Conn
	bytes int
}

type sheath struct {
	net.Conn
	name [40]byte
}

// Nothing but a pointer: an interface holds it as it is.
type bare struct{ *net.TCPConn }

type nested struct{ bare }

type timed struct {
	*net.TCPConn
	timeout time.Duration
}

type wrapping struct {
	net.Listener
	accepted int
}

// In each way in its turn.
func (l *wrapping) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	ways := []net.Conn{
		&noting{Conn: sheath{Conn: conn}}, bare{tcp}, &bare{tcp}, nested{bare{tcp}},
		&timed{TCPConn: tcp}, &noting{Conn: &noting{Conn: &timed{TCPConn: tcp}}},
	}
	l.accepted++
	return ways[l.accepted%len(ways)], nil
}

func answer(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	if r.URL.Path == "/missing" {
		w.WriteHeader(404)
	}
	if r.URL.Path == "/small" {
		w.Write([]byte("hello"))
		return
	}
	w.Write(make([]byte, bodyBytes))
}

func serve(port, pem string, wraps bool) error {
	host := "127.0.0.1:"
	if wraps {
		host = ":" // a socket of IPv6, which has both
	}
	listener, err := net.Listen("tcp", host+port)
	if err != nil {
		return err
	}
	if wraps {
		listener = &wrapping{Listener: listener}
	}
	log.SetOutput(io.Discard) // who hangs up in a handshake
	fmt.Println("ready")
	return http.ServeTLS(listener, http.HandlerFunc(answer), pem, pem)
}

func client(http2 bool) *http.Client {
	config := &tls.Config{InsecureSkipVerify: true}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: http2}}
}

func get(client *http.Client, port, path string) (int, error) {
	response, err := client.Get("https://127.0.0.1:" + port + path)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

func getAll(version, port string) error {
	client := client(version == "2")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		status, err := get(client, port, lines.Text())
		if err != nil {
			return err
		}
		fmt.Println(status)
	}
	return nil
}

// As net.TCPConn is: a pointer to something with a descriptor behind sixteen bytes.
type feigned struct{ *feint }

type feint struct {
	lock       [2]uint64
	descriptor uintptr
	net.Conn
}

func feign(port string) (net.Conn, error) {
	other, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		return nil, err
	}
	raw, err := other.(*net.TCPConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	inner := &feint{}
	raw.Control(func(descriptor uintptr) { inner.descriptor = descriptor })
	inner.Conn, err = net.Dial("tcp", "127.0.0.1:"+port)
	return &feigned{inner}, err
}

func dial(port string) (net.Conn, error) {
	return net.Dial("tcp", "127.0.0.1:"+port)
}

func getByHand(port string, connect func(string) (net.Conn, error)) error {
	raw, err := connect(port)
	if err != nil {
		return err
	}
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
	reader := bufio.NewReader(conn)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", lines.Text())
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return err
		}
		if _, err = io.Copy(io.Discard, response.Body); err != nil {
			return err
		}
		fmt.Println(response.StatusCode)
	}
	return nil
}

func crowd(port string, count int) error {
	var group sync.WaitGroup
	failed := make(chan error, count)
	room := make(chan struct{}, 50)
	for i := 0; i < count; i++ {
		group.Add(1)
		room <- struct{}{}
		go func() {
			defer group.Done()
			client := client(false)
			defer client.CloseIdleConnections()
			if _, err := get(client, port, "/crowd"); err != nil {
				failed <- err
			}
			<-room
		}()
	}
	group.Wait()
	close(failed)
	return <-failed
}

func run(words []string) error {
	switch words[0] {
	case "serve", "wrap":
		return serve(words[1], words[2], words[0] == "wrap")
	case "get":
		return getAll(words[1], words[2])
	case "lazy":
		return getByHand(words[1], dial)
	case "feign":
		return getByHand(words[1], feign)
	case "crowd":
		count, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		return crowd(words[1], count)
	}
	return fmt.Errorf("no such word: %s", words[0])
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tls_peer:", err)
		os.Exit(1)
	}
}
