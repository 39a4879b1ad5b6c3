package puppet

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// An answer that comes too late is not taken for that to the next question.
func TestLateAnswer(t *testing.T) {
	conn, theirs, err := Pair(unix.SOCK_SEQPACKET)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	p := hold(conn, 0)
	p.patience = 20 * time.Millisecond
	if _, err := p.Play(NewProgram()); err == nil || err.Error() != "no answer" {
		t.Errorf("%v; want no answer", err)
	}
	late := make([]byte, replySize)
	binary.NativeEndian.PutUint32(late, kindDone)
	_, _ = theirs.Write(late) // there may be nobody left to hear it
	<-p.Gone()
	if n, err := p.Play(NewProgram()); err == nil {
		t.Errorf("the next question was answered: %d", n)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
