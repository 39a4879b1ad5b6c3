package agent

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"moulinette/grader/box"
	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
)

// maxLine bounds one answer of the driver.
const maxLine = 1 << 20

// driver is our end of the driver protocol and of the submission's output.
// Whatever comes from there is hostile input.
type driver struct {
	s       *session
	box     *box.Box
	id      int
	replies chan scenario.Reply // closed when the channel ends
	garbled error               // why it ended, set before replies is closed and read after it
	late    map[int]string      // ids asked without waiting, and the labels of their calls
	flood   chan struct{}       // closed when the output limit is reached
	flooded sync.Once
	readers sync.WaitGroup
	pipes   [2]*os.File // its output
	out     [2]output
	exit    *syscall.WaitStatus // once known
}

// output is one captured stream.
type output struct {
	mu   sync.Mutex
	text []byte
	cut  bool
}

func newDriver(s *session) *driver {
	b := s.box
	d := &driver{s: s, box: b, replies: make(chan scenario.Reply, 64), flood: make(chan struct{}), late: map[int]string{}}
	d.pipes = [2]*os.File{b.Stdout, b.Stderr}
	b.Stdout, b.Stderr = nil, nil // what was said last is read once the box is gone
	d.readers.Add(3)
	go d.read()
	for i, f := range d.pipes {
		go d.capture(&d.out[i], f, s.limits.OutputKiB<<10)
	}
	return d
}

// read turns lines into replies until the channel ends or says nonsense.
func (d *driver) read() {
	defer d.readers.Done()
	defer close(d.replies)
	r := bufio.NewReaderSize(d.box.Channel, 4096)
	for {
		line, err := readLine(r, maxLine)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !errors.Is(err, syscall.ECONNRESET) {
				d.garbled = err
			}
			return
		}
		var reply scenario.Reply
		if err := json.Unmarshal(line, &reply); err != nil {
			d.garbled = errors.New("not JSON")
			return
		}
		d.replies <- reply
	}
}

// readLine reads a line of at most so many bytes, or little more.
func readLine(r *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		case len(line) > most:
			return nil, errors.New("a line without end")
		}
	}
}

// capture keeps the first limit bytes of a stream and reads on, so that a
// chatty submission is not blocked before it is stopped.
func (d *driver) capture(o *output, f *os.File, limit int) {
	defer d.readers.Done()
	buf := make([]byte, 32<<10)
	for {
		n, err := f.Read(buf)
		o.mu.Lock()
		room := limit - len(o.text)
		o.text = append(o.text, buf[:min(n, room)]...)
		if n > room {
			o.cut = true
			d.flooded.Do(func() { close(d.flood) })
		}
		o.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// greet waits for the shim's first word: init functions and New have returned.
func (d *driver) greet() error {
	reply, err := d.await("start", 0, d.s.stepLimit())
	if err == nil && reply.Panic != "" {
		return &ended{evidence.End{Outcome: evidence.Exited, Step: "start", Exit: 2, Reason: "New panicked", Panic: clip(reply.Panic, 4000)}}
	}
	return err
}

// ask sends a request and waits for its answer.
func (d *driver) ask(label string, r scenario.Request) (scenario.Reply, error) {
	limit := d.s.stepLimit()
	if err := d.send(&r); err != nil {
		return scenario.Reply{}, d.deaf(label)
	}
	return d.await(label, r.ID, limit)
}

func (d *driver) send(r *scenario.Request) error {
	d.id++
	r.ID = d.id
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	defer d.s.clock.within(patience).guard(d.box.Channel.SetWriteDeadline)()
	_, err = d.box.Channel.Write(append(line, '\n'))
	return err
}

// patience is for processes of which it is known that they have ended, or that
// have only to take a message.
const patience = 2 * time.Second

// await waits for the answer with this id.
func (d *driver) await(label string, id int, limit *limit) (scenario.Reply, error) {
	timer := time.NewTimer(limit.left())
	defer timer.Stop()
	for {
		select {
		case reply, open := <-d.replies:
			switch {
			case !open:
				return reply, d.gone(label)
			case reply.ID == id:
				return reply, nil
			case reply.ID > id || reply.ID < 0:
				return reply, &ended{evidence.End{Outcome: evidence.Babbled, Step: label, Reason: fmt.Sprintf("answer number %d to question number %d", reply.ID, id)}}
			case !d.belated(reply):
				d.s.note("an answer to question %d came twice", reply.ID)
			}
		case <-d.flood:
			return scenario.Reply{}, d.tooMuch(label)
		case <-timer.C:
			if limit.over() {
				return scenario.Reply{}, d.hung(label)
			}
			timer.Reset(limit.left())
		}
	}
}

// belated takes an answer that nobody waited for.
func (d *driver) belated(r scenario.Reply) bool {
	label, asked := d.late[r.ID]
	if asked {
		delete(d.late, r.ID)
		calls := d.s.rec.Calls
		calls[label] = claim(calls[label].Name, r, evidence.Growth{}, 0)
	}
	return asked
}

// lastWords takes what a driver that has ended answered before, and tells whether that
// was all.
func (d *driver) lastWords() bool {
	for limit := d.s.clock.within(patience); !limit.over(); {
		select {
		case reply, open := <-d.replies:
			if !open {
				return true
			}
			d.belated(reply)
		case <-time.After(limit.left()):
		}
	}
	return false
}

func (d *driver) tooMuch(label string) error {
	return &ended{evidence.End{Outcome: evidence.Flooded, Step: label, Reason: fmt.Sprintf("more than %d KiB of output", d.s.limits.OutputKiB)}}
}

func (d *driver) hung(label string) error {
	if what := d.box.Exhausted(); what == "processes" {
		return exhausted(label, what)
	}
	return &ended{evidence.End{Outcome: evidence.Hung, Step: label, Reason: fmt.Sprintf("no answer within %d ms", d.s.limits.StepMS)}}
}

func exhausted(label, what string) error {
	end := &ended{evidence.End{Step: label}}
	end.exhausts(what)
	return end
}

func (e *ended) exhausts(what string) {
	e.Outcome, e.Limit, e.Reason = evidence.Exhausted, what, "the limit on "+what+" was reached"
}

// deaf explains a channel that takes nothing any more.
func (d *driver) deaf(label string) error {
	if d.lastWords() {
		return d.gone(label)
	}
	return d.silent(label)
}

// gone explains a channel that has ended.
func (d *driver) gone(label string) error {
	if d.garbled != nil {
		return &ended{evidence.End{Outcome: evidence.Babbled, Step: label, Reason: d.garbled.Error()}}
	}
	return d.silent(label)
}

// silent explains a channel by how its driver ended.
func (d *driver) silent(label string) error {
	if end := d.over(); end != nil {
		end.Step = label
		return &ended{*end}
	}
	return &ended{evidence.End{Outcome: evidence.Babbled, Step: label, Reason: "the channel to the grader was closed"}}
}

// over tells how the driver ended, nil if it lives.
func (d *driver) over() *evidence.End {
	if d.exit == nil {
		if d.exit = d.awaitExit(); d.exit == nil {
			return nil
		}
	}
	end := &evidence.End{Outcome: evidence.Exited, Exit: d.exit.ExitStatus()}
	if d.exit.Signaled() {
		end.Signal = int(d.exit.Signal())
		end.Reason = "killed by " + syscall.Signal(end.Signal).String()
	} else {
		end.Reason = fmt.Sprintf("exited with status %d", end.Exit)
	}
	return end
}

// awaitExit waits for the news of the driver's end; nil if it lives. Without
// init nobody is left to bring it, and the driver was killed with the rest.
func (d *driver) awaitExit() *syscall.WaitStatus {
	late := make(chan struct{})
	defer d.s.clock.within(patience).then(func() { close(late) })()
	select {
	case e := <-d.box.Exit():
		return &e
	case <-late:
		return nil
	case <-d.box.Gone():
	}
	select {
	case e := <-d.box.Exit():
		if e.Exited() { // it ended before
			return &e
		}
	default:
	}
	killed := syscall.WaitStatus(syscall.SIGKILL)
	return &killed
}

// close waits for the readers; the box is closed by then, and nobody writes any more.
func (d *driver) close() {
	for _, f := range d.pipes {
		_ = f.SetReadDeadline(time.Now().Add(patience)) // should somebody still hold the other end
	}
	for range d.replies { // a flood of answers must not hold the reader
	}
	d.readers.Wait()
	for _, f := range d.pipes {
		f.Close()
	}
}

func (d *driver) output() evidence.Output {
	return evidence.Output{
		Stdout:    strings.ToValidUTF8(string(d.out[0].text), "\uFFFD"),
		Stderr:    strings.ToValidUTF8(string(d.out[1].text), "\uFFFD"),
		Truncated: d.out[0].cut || d.out[1].cut,
	}
}

// note adds a note to the record. The session is not locked.
func (s *session) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rec.Notes) < 32 {
		s.rec.Notes = append(s.rec.Notes, fmt.Sprintf(format, args...))
	}
}
