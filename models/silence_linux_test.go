package models_test

import (
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"twite/models"
)

// TestK3_AMachineThatIsGoneIsNotWaitedFor: the system is told how long it may go without confirming what was sent. Sockets
// in a folder know no such thing.
func TestK3_AMachineThatIsGoneIsNotWaitedFor(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "socket")} {
		listener := must[net.Listener](t)(net.Listen(network, address))
		defer listener.Close()
		conn := must[net.Conn](t)(models.PostgresDialer().DialContext(t.Context(), network, listener.Addr().String()))
		defer conn.Close()
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			continue
		}
		raw := must[syscall.RawConn](t)(tcp.SyscallConn())
		err := raw.Control(func(fd uintptr) {
			for option, want := range map[int]int{18: 5000, syscall.TCP_KEEPIDLE: 5, syscall.TCP_KEEPINTVL: 5, syscall.TCP_KEEPCNT: 3} {
				if got, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, option); got != want || err != nil {
					t.Errorf("option %d is %d, want %d: %v", option, got, want, err)
				}
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}
