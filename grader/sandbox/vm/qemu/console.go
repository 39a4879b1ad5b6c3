package qemu

import (
	"net"
	"sync"
)

// maxConsole is how much a guest may say on its console: a kernel says a few
// KiB.
const maxConsole = 256 << 10

// console keeps the end of what a guest says, and reads on so that it never
// waits.
type console struct {
	tail
	conn    *net.UnixConn
	flooded chan struct{}
	done    sync.WaitGroup
}

func watch(conn *net.UnixConn) *console {
	c := &console{conn: conn, flooded: make(chan struct{})}
	c.done.Go(c.read)
	return c
}

func (c *console) read() {
	buf := make([]byte, 16<<10)
	for total := 0; ; {
		n, err := c.conn.Read(buf)
		if err != nil {
			return
		}
		_, _ = c.Write(buf[:n])
		if total < maxConsole && total+n >= maxConsole {
			close(c.flooded)
		}
		total += n
	}
}

func (c *console) close() {
	c.done.Wait() // QEMU is dead: what it had said is read
	c.conn.Close()
}
