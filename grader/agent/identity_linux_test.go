package agent

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

// Who has been killed in the middle of a word is no impostor for having said no more:
// that it is gone is all that can be told. What runs another program is one in any case.
func TestImpostorThatIsGone(t *testing.T) {
	cat := exec.Command("cat")
	in, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cat.Start(); err != nil {
		t.Fatal(err)
	}
	pidfd := func() *os.File {
		fd, err := unix.PidfdOpen(cat.Process.Pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(fd), "pidfd")
	}
	s := &session{rec: &evidence.Record{Probes: map[string]evidence.Probe{}}}
	p := &probes{s: s, strangers: map[string]bool{}}
	first, second, third, fourth := pidfd(), pidfd(), pidfd(), pidfd()
	p.impostor("alive", evidence.Nameless, first)
	in.Close()
	if err := unix.Waitid(unix.P_PID, cat.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil { // and it stays a zombie
		t.Fatal(err)
	}
	p.impostor("silent", evidence.Nameless, second)
	p.impostor("away", evidence.Borrowed, third)
	p.impostor("other", evidence.Otherwise, fourth)
	if err := cat.Wait(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"alive": evidence.Nameless, "silent": evidence.Gone, "away": evidence.Gone, "other": evidence.Otherwise} {
		if got := s.rec.Probes[name].Impostor; got != want {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
	}
}
