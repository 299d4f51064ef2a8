// A line broadcast in Go, standard library only: go build -o relay relay.go && ./relay PORT
//
// A goroutine reads each connection, another writes it. What a read completed is one batch, handed to all others
// under one lock, so that all see one order. A writer takes all that has come since its last write and writes it at
// once (writev). A connection with more than 16 MiB waiting is closed.
package main

import (
	"bytes"
	"log"
	"net"
	"os"
	"sync"
)

const (
	readSize   = 64 * 1024
	maxMessage = 1024 * 1024
	maxPending = 16 * 1024 * 1024
)

type peer struct {
	conn    *net.TCPConn
	mutex   sync.Mutex
	pending net.Buffers
	size    int
	more    chan struct{}
	gone    chan struct{}
}

var (
	mutex sync.Mutex
	peers = map[*peer]struct{}{}
)

// broadcast puts frames before every peer but the sender.
func broadcast(sender *peer, frames []byte) {
	mutex.Lock()
	defer mutex.Unlock()
	for other := range peers {
		if other != sender {
			other.give(frames)
		}
	}
}

func (p *peer) give(frames []byte) {
	p.mutex.Lock()
	p.pending = append(p.pending, frames)
	p.size += len(frames)
	over := p.size > maxPending
	p.mutex.Unlock()
	if over {
		p.conn.Close()
	}
	select {
	case p.more <- struct{}{}:
	default:
	}
}

func (p *peer) write() {
	var spare net.Buffers
	for {
		select {
		case <-p.more:
		case <-p.gone:
			return
		}
		p.mutex.Lock()
		batch := p.pending
		p.pending = spare[:0]
		p.size = 0
		p.mutex.Unlock()
		writing := batch
		if _, err := writing.WriteTo(p.conn); err != nil {
			p.conn.Close()
			return
		}
		spare = batch
	}
}

func (p *peer) read() {
	buffer := make([]byte, readSize)
	held := 0
	for {
		if held == len(buffer) {
			if held > maxMessage {
				return
			}
			buffer = append(buffer, make([]byte, held)...)
		}
		size, err := p.conn.Read(buffer[held:])
		if size > 0 {
			end := bytes.LastIndexByte(buffer[held:held+size], '\n') + 1
			if end > 0 {
				end += held
				broadcast(p, append([]byte(nil), buffer[:end]...))
				held = copy(buffer, buffer[end:held+size])
			} else {
				held += size
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *peer) serve() {
	mutex.Lock()
	peers[p] = struct{}{}
	mutex.Unlock()
	go p.write()
	p.read()
	mutex.Lock()
	delete(peers, p)
	mutex.Unlock()
	close(p.gone)
	p.conn.Close()
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		// Go sets TCP_NODELAY itself.
		p := &peer{conn: conn.(*net.TCPConn), more: make(chan struct{}, 1), gone: make(chan struct{})}
		go p.serve()
	}
}
