package qemu

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// Whoever waits for a deaf QEMU until the context ends is told that, and not of a
// time-out of the connection, which has its own clock.
func TestMonitorEndsWithTheContext(t *testing.T) {
	address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "qmp"), Net: "unix"}
	l, err := net.ListenUnix("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.DialUnix("unix", nil, address)
	if err != nil {
		t.Fatal(err)
	}
	m := newMonitor(conn)
	defer m.close()
	for range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if err := m.run(ctx, "cont", nil); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil {
			t.Fatalf("got %v; want DeadlineExceeded", err)
		}
		cancel()
		m.lines = newMonitor(conn).lines // a scanner that has met an error stays at its end
	}
}
