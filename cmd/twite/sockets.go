package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
)

// sockets are where clients come in.
type sockets struct {
	site     []net.Listener
	redirect []net.Listener // plain HTTP, which only leads to HTTPS
}

const unixMode = 0o660 // of a socket of Unix: the proxy needs to be in the group

// openSockets opens what the site is reached by, unless systemd has done so already.
func openSockets(env environment, c Config) (sockets, error) {
	passed, err := passedSockets(env.getenv)
	if err != nil {
		return sockets{}, err
	}
	if len(passed) > 0 {
		return sortSockets(passed, c.HTTPS.on())
	}
	var opened sockets
	socket, err := listen(c.Addr)
	if err != nil {
		return sockets{}, err
	}
	opened.site = []net.Listener{socket}
	if c.HTTPS.on() && c.HTTPS.RedirectAddr != "" {
		plain, err := net.Listen("tcp", c.HTTPS.RedirectAddr)
		if err != nil {
			return sockets{}, errors.Join(fmt.Errorf("cannot listen for plain HTTP: %w: choose another address with --http-addr, or none", err), socket.Close())
		}
		opened.redirect = []net.Listener{plain}
	}
	return opened, nil
}

// sortSockets gives each socket that systemd passes its use, by its name.
func sortSockets(passed []passedSocket, https bool) (sockets, error) {
	var s sockets
	for _, p := range passed {
		switch {
		case p.name == "https" && !https:
			return sockets{}, errors.New("systemd passes a socket for https, but there is no certificate: set TWITE_TLS_DOMAINS, or name the socket http")
		case p.name == "http" && https:
			s.redirect = append(s.redirect, p.Listener)
		default:
			s.site = append(s.site, p.Listener)
		}
	}
	if s.site == nil {
		return sockets{}, errors.New("systemd passes a socket for http only: add one with FileDescriptorName=https to the socket unit")
	}
	return s, nil
}

// listen opens an address of the network, or a socket of Unix.
func listen(addr string) (net.Listener, error) {
	if isUnix(addr) {
		return listenUnix(unixPath(addr))
	}
	socket, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w: is another server running there? Choose another address with --addr", err)
	}
	return socket, nil
}

func isUnix(addr string) bool     { return strings.HasPrefix(addr, "unix:") }
func unixPath(addr string) string { return strings.TrimPrefix(addr, "unix:") }

// listenUnix makes a socket, which goes away with the process. One that a killed process left behind is removed, but not
// one behind which somebody answers, and nothing that is no socket.
func listenUnix(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("cannot listen: %s is there and no socket: choose another path with --addr", path)
		}
		if conn, err := net.Dial("unix", path); err == nil {
			conn.Close()
			return nil, fmt.Errorf("cannot listen: somebody answers at %s: is another server running there? Choose another path with --addr", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("cannot listen: %w", err)
		}
	}
	socket, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w: its folder must be there, and ours to write to", err)
	}
	if err := os.Chmod(path, unixMode); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot listen: %w", err), socket.Close())
	}
	return socket, nil
}
