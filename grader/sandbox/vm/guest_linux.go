package vm

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"moulinette/grader/agent"
	"moulinette/grader/sandbox/vm/guest"
	"moulinette/grader/sandbox/vm/qemu"
)

// machine is a running QEMU and our two connections into its guest. Nothing that
// comes over them is believed to be well-formed, short, or to come at all.
type machine struct {
	*qemu.Machine
	control, agent *net.UnixConn
	orders         *json.Encoder
	replies        chan guest.Reply // closed when the guest says no more
	why            error            // of that, set before
	answers        *bufio.Reader
	word           string // that the agent's answers carry, none before the first job; see agent.Job
	served         int    // scenarios
	readers        sync.WaitGroup
}

// portNames are of the control port and the agent's.
var portNames = [2]string{guest.ControlPort, guest.AgentPort}

// launch starts a machine with both ports.
func launch(c qemu.Config) (*machine, error) {
	m := &machine{replies: make(chan guest.Reply, 1)}
	for i, conn := range []**net.UnixConn{&m.control, &m.agent} {
		ours, file, err := qemu.Stream()
		if err != nil {
			m.disconnect()
			return nil, err
		}
		defer file.Close()
		*conn = ours
		c.Ports = append(c.Ports, qemu.Port{Name: portNames[i], File: file})
	}
	var err error
	if m.Machine, err = qemu.Start(c); err != nil {
		m.disconnect()
		return nil, err
	}
	m.orders, m.answers = json.NewEncoder(m.control), bufio.NewReaderSize(m.agent, 64<<10)
	m.readers.Go(m.listen)
	return m, nil
}

func (m *machine) disconnect() {
	for _, c := range []*net.UnixConn{m.control, m.agent} {
		if c != nil {
			c.Close()
		}
	}
}

// kill ends the machine; nothing of it is left.
func (m *machine) kill() {
	m.Kill()
	m.disconnect()
	m.readers.Wait()
}

// Why a guest says no more.
var (
	errEnded    = errors.New("it has ended")
	errNonsense = errors.New("nonsense on its channel")
	errGone     = errors.New("the agent in the machine has ended")
)

// listen takes the guest's replies until it says no more.
func (m *machine) listen() {
	defer close(m.replies)
	lines := bufio.NewScanner(m.control)
	lines.Buffer(make([]byte, 0, 4096), guest.MaxLine)
	for lines.Scan() {
		var r guest.Reply
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			m.why = errNonsense
			return
		}
		if r.Gone != "" {
			m.why = fmt.Errorf("%w: %s", errGone, r.Gone)
			return
		}
		select {
		case m.replies <- r:
		default: // nobody asked for so many
			m.why = errNonsense
			return
		}
	}
	if m.why = errEnded; errors.Is(lines.Err(), bufio.ErrTooLong) {
		m.why = errNonsense
	}
}

// reply waits for the guest's next reply.
func (m *machine) reply(ctx context.Context) (guest.Reply, error) {
	select {
	case r, ok := <-m.replies:
		if !ok {
			return r, m.why
		}
		if r.Error != "" {
			return r, errors.New(r.Error)
		}
		return r, nil
	case <-ctx.Done():
		return guest.Reply{}, context.Cause(ctx)
	}
}

// obey gives an order, with the content of a file if it brings one.
func (m *machine) obey(ctx context.Context, o guest.Order, content io.Reader) (guest.Reply, error) {
	stop, err := bounded(ctx, m.control)
	if err != nil {
		return guest.Reply{}, err
	}
	defer stop()
	if err := m.orders.Encode(o); err != nil {
		return guest.Reply{}, ctxOr(ctx, err)
	}
	if content != nil {
		if _, err := io.Copy(m.control, content); err != nil {
			return guest.Reply{}, ctxOr(ctx, err)
		}
	}
	return m.reply(ctx)
}

// bounded makes every wait on conn end with ctx.
func bounded(ctx context.Context, conn *net.UnixConn) (stop func() bool, err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }), nil
}

// ctxOr prefers the reason why a wait was ended: err is that of a connection.
func ctxOr(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// wake lets the guest run and gives it the time, and randomness of its own.
func (m *machine) wake(ctx context.Context) error {
	if err := m.Resume(ctx); err != nil {
		return err
	}
	random := make([]byte, guest.RandomBytes)
	_, _ = rand.Read(random) // never fails
	_, err := m.obey(ctx, guest.Order{Wake: &guest.Wake{Now: time.Now(), Random: random}}, nil)
	return wrap("wake", err)
}

// put puts one file into the guest.
func (m *machine) put(ctx context.Context, f guest.File, from string) error {
	if f.Link != "" {
		_, err := m.obey(ctx, guest.Order{Put: &f}, nil)
		return wrap("put "+f.Path, err)
	}
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	f.Size, f.Mode = info.Size(), 0o755
	_, err = m.obey(ctx, guest.Order{Put: &f}, io.LimitReader(file, f.Size))
	return wrap("put "+f.Path, err)
}

// say sends the agent a message.
func (m *machine) say(ctx context.Context, message any) error {
	stop, err := bounded(ctx, m.agent)
	if err != nil {
		return err
	}
	defer stop()
	return ctxOr(ctx, json.NewEncoder(m.agent).Encode(message))
}

// hear waits for the agent's next answer.
func (m *machine) hear(ctx context.Context) (agent.Answer, error) {
	stop, err := bounded(ctx, m.agent)
	if err != nil {
		return agent.Answer{}, err
	}
	defer stop()
	var line []byte
	for {
		part, err := m.answers.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return m.believe(line)
		case !errors.Is(err, bufio.ErrBufferFull):
			return agent.Answer{}, ctxOr(ctx, err)
		case len(line) > agent.MaxAnswer:
			return agent.Answer{}, fmt.Errorf("%w: more than %d bytes", errNonsense, agent.MaxAnswer)
		}
	}
}

// believe reads an answer, if it carries the word. That is looked for alone: of three
// bytes of a stranger's record, {}, decoding makes a process of hundreds.
func (m *machine) believe(line []byte) (answer agent.Answer, err error) {
	var says struct {
		Word string `json:"word"`
	}
	if json.Unmarshal(line, &says) != nil || says.Word != m.word || json.Unmarshal(line, &answer) != nil {
		return agent.Answer{}, errNonsense
	}
	return answer, nil
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
