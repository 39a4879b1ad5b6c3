package agent

import (
	"errors"
	"syscall"
	"testing"

	"moulinette/grader/box"
	"moulinette/grader/evidence"
	"moulinette/grader/scenario"
)

// Of a driver that takes no question any more, what it said last is told, however late
// that is read.
func TestLastWordsOfTheDeaf(t *testing.T) {
	for said, want := range map[string]string{"{\"id\":0}\nnonsense\n": "not JSON", "{\"id\":0}\n": "exited with status 7"} {
		ours, theirs := channel(t)
		s := &session{clock: newClock(1), limits: scenario.Limits{}.WithDefaults(), rec: &evidence.Record{}}
		exit := syscall.WaitStatus(7 << 8)
		d := &driver{s: s, box: &box.Box{Channel: ours}, replies: make(chan scenario.Reply, 64), exit: &exit}
		if _, err := theirs.Write([]byte(said)); err != nil {
			t.Fatal(err)
		}
		theirs.Close()
		d.readers.Add(1)
		s.clock.within(pollEvery).then(d.read)
		_, err := d.ask("ask", scenario.Request{})
		var end *ended
		if !errors.As(err, &end) || end.Reason != want {
			t.Errorf("%q: %v; want %s", said, err, want)
		}
		d.readers.Wait()
		ours.Close()
	}
}

// That we close the channel ourselves is no nonsense of the driver's.
func TestClosedByUs(t *testing.T) {
	ours, theirs := channel(t)
	defer theirs.Close()
	d := &driver{box: &box.Box{Channel: ours}, replies: make(chan scenario.Reply)}
	d.readers.Add(1)
	go d.read()
	ours.Close()
	for range d.replies {
	}
	if d.garbled != nil {
		t.Error(d.garbled)
	}
}
