package qemu

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// maxMessage bounds one message of the monitor; QMP's are a line each.
const maxMessage = 256 << 10

// monitor speaks QMP: a command, then its answer, with events in between.
type monitor struct {
	conn   *net.UnixConn
	lines  *bufio.Scanner
	events []event // that came while an answer was waited for
}

// message is anything that the monitor says.
type message struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	event
}

type event struct {
	Event string `json:"event"`
	Data  struct {
		Status string `json:"status"`
	} `json:"data"`
}

// refused is an answer of the monitor, as opposed to none.
type refused struct{ command, why string }

func (r *refused) Error() string { return r.command + ": " + r.why }

func newMonitor(conn *net.UnixConn) *monitor {
	m := &monitor{conn: conn, lines: bufio.NewScanner(conn)}
	m.lines.Buffer(make([]byte, 0, 4096), maxMessage)
	return m
}

func (m *monitor) close() { m.conn.Close() }

// greet takes the greeting and enters command mode.
func (m *monitor) greet() error {
	if err := m.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := m.next(); err != nil {
		return fmt.Errorf("monitor: %w", err)
	}
	return m.run(context.Background(), "qmp_capabilities", nil)
}

// next reads one message, within the deadline that is set.
func (m *monitor) next() (message, error) {
	var msg message
	if !m.lines.Scan() {
		return msg, cmp.Or(m.lines.Err(), errEnded)
	}
	return msg, json.Unmarshal(m.lines.Bytes(), &msg)
}

// run gives one command and waits for its answer.
func (m *monitor) run(ctx context.Context, command string, arguments any) error {
	return m.runWith(ctx, nil, command, arguments)
}

// runWith sends a file along, as SCM_RIGHTS.
func (m *monitor) runWith(ctx context.Context, f *os.File, command string, arguments any) error {
	stop, err := m.bound(ctx)
	if err != nil {
		return err
	}
	defer stop()
	order := map[string]any{"execute": command}
	if arguments != nil {
		order["arguments"] = arguments
	}
	line, err := json.Marshal(order)
	if err != nil {
		return err
	}
	var rights []byte
	if f != nil {
		rights = unix.UnixRights(int(f.Fd()))
	}
	if _, _, err := m.conn.WriteMsgUnix(append(line, '\n'), rights, nil); err != nil {
		return fmt.Errorf("%s: %w", command, cmpErr(ctx, err))
	}
	for {
		msg, err := m.next()
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", command, cmpErr(ctx, err))
		case msg.Event != "":
			m.events = append(m.events, msg.event)
		case msg.Error != nil:
			return &refused{command, msg.Error.Desc}
		default:
			return nil
		}
	}
}

// bound sets the deadline of one exchange. That of ctx is left to ctx: a connection
// that came to it first would tell of a time-out of ours.
func (m *monitor) bound(ctx context.Context) (stop func() bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.conn.SetDeadline(time.Now().Add(patience))
	return context.AfterFunc(ctx, func() { _ = m.conn.SetDeadline(time.Unix(1, 0)) }), err
}

// migrated waits until a migration has ended.
func (m *monitor) migrated(ctx context.Context) error {
	stop, err := m.bound(ctx)
	if err != nil {
		return err
	}
	defer stop()
	for {
		for len(m.events) > 0 {
			e := m.events[0]
			m.events = m.events[1:]
			switch {
			case e.Event == "MIGRATION" && e.Data.Status == "completed":
				return nil
			case e.Event == "MIGRATION" && e.Data.Status == "failed":
				return errors.New("migration failed")
			}
		}
		msg, err := m.next()
		if err != nil {
			return fmt.Errorf("migration: %w", cmpErr(ctx, err))
		}
		m.events = append(m.events, msg.event)
	}
}

// cmpErr prefers the reason why a deadline was moved.
func cmpErr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
