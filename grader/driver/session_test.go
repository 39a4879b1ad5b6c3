package driver

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// session is a driver and the agent's end of its channel.
type session struct {
	t       *testing.T
	cmd     *exec.Cmd
	file    *os.File
	replies *bufio.Scanner
	id      int
}

func open(t *testing.T, submission string) *session {
	t.Helper()
	probe := filepath.Join(t.TempDir(), "probe")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(self, probe); err != nil {
		copyFile(t, self, probe)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "agent"), os.NewFile(uintptr(fds[1]), "driver")
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), playVariable+"=driver:"+probe, "SUBMISSION="+submission)
	cmd.Stderr, cmd.ExtraFiles = os.Stderr, []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	s := &session{t: t, cmd: cmd, file: ours, replies: bufio.NewScanner(ours)}
	s.replies.Buffer(nil, 1<<20)
	t.Cleanup(func() {
		_ = ours.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("driver ended with %v; want exit status 0 once the channel is closed", err)
		}
	})
	return s
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *session) read() (reply scenario.Reply) {
	s.t.Helper()
	if !s.replies.Scan() {
		s.t.Fatalf("driver closed the channel: %v", s.replies.Err())
	}
	if err := json.Unmarshal(s.replies.Bytes(), &reply); err != nil {
		s.t.Fatal(err)
	}
	return reply
}

func (s *session) ask(req scenario.Request) scenario.Reply {
	s.t.Helper()
	s.id++
	req.ID = s.id
	if err := json.NewEncoder(s.file).Encode(req); err != nil {
		s.t.Fatal(err)
	}
	reply := s.read()
	if reply.ID != s.id {
		s.t.Fatalf("reply to %d; want %d", reply.ID, s.id)
	}
	reply.ID = 0
	return reply
}

// ready opens a driver and takes its first line.
func ready(t *testing.T, submission string) *session {
	t.Helper()
	s := open(t, submission)
	if diff := cmp.Diff(s.read(), scenario.Reply{}); diff != "" {
		t.Fatalf("first reply: %s", diff)
	}
	return s
}
