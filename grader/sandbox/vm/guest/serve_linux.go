package guest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// server obeys the grader.
type server struct {
	orders *bufio.Reader
	mu     sync.Mutex
	out    *json.Encoder
}

// serve starts the agent on its port, and obeys orders until the control port is
// closed.
func serve(control, agent *os.File) error {
	s := &server{orders: bufio.NewReaderSize(control, MaxLine), out: json.NewEncoder(control)}
	if err := s.startAgent(agent); err != nil {
		return err
	}
	if err := s.say(Reply{}); err != nil {
		return err
	}
	for {
		line, err := s.orders.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("control port: %w", err)
		}
		var o Order
		if err := json.Unmarshal(line, &o); err != nil {
			return fmt.Errorf("control port: %w", err)
		}
		reply, err := s.obey(o)
		if err != nil {
			reply.Error = err.Error()
		}
		if err := s.say(reply); err != nil {
			return err
		}
	}
}

func (s *server) say(r Reply) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Encode(r)
}

// startAgent starts our binary once more, as the agent. What it says on stderr
// goes to the console. Its end is told: whatever ends it, it is not a scenario
// that ran well.
func (s *server) startAgent(port *os.File) error {
	cmd := &exec.Cmd{
		Path: AgentPath, Args: []string{agentName}, Env: []string{"GOMAXPROCS=2", agentPATH}, Dir: "/",
		Stderr: os.Stderr, ExtraFiles: []*os.File{port},
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	port.Close()
	if err := spare(cmd.Process.Pid); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	go func() {
		err := cmd.Wait()
		_ = s.say(Reply{Gone: fmt.Sprintf("the agent ended: %v", errors.Join(err, errAgent))})
	}()
	return nil
}

var errAgent = errors.New("see the console")

// spare keeps the kernel from killing a process when memory is full: the
// submission has to go first.
func spare(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("-1000"), 0)
}

func (s *server) obey(o Order) (Reply, error) {
	switch {
	case o.Put != nil:
		return Reply{}, s.put(*o.Put)
	case o.Wake != nil:
		return Reply{}, wake(*o.Wake)
	case o.Measure:
		took, err := Pace(AgentPath)
		return Reply{Took: took}, err
	}
	return Reply{}, errors.New("empty order")
}

func (s *server) put(f File) error {
	content := io.LimitReader(s.orders, f.Size)
	err := place(f, content)
	// Whatever became of it, the next order comes after the content.
	_, rest := io.Copy(io.Discard, content)
	return errors.Join(err, rest)
}

func place(f File, content io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return err
	}
	if f.Link != "" {
		return os.Symlink(f.Link, f.Path)
	}
	file, err := os.OpenFile(f.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, os.FileMode(f.Mode))
	if err != nil {
		return err
	}
	n, err := io.Copy(file, content)
	if err == nil && n != f.Size {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(err, file.Close())
}

// wake sets the clock and mixes randomness in, so that nothing waits for more
// and no other machine has the same (random(4)).
func wake(w Wake) error {
	now := unix.NsecToTimespec(w.Now.UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &now); err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	if len(w.Random) != RandomBytes {
		return fmt.Errorf("random: %d bytes; want %d", len(w.Random), RandomBytes)
	}
	pool := struct {
		bits, size int32
		data       [RandomBytes]byte
	}{bits: 8 * RandomBytes, size: RandomBytes, data: [RandomBytes]byte(w.Random)}
	fd, err := unix.Open("/dev/urandom", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("random: %w", err)
	}
	defer unix.Close(fd)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&pool))); errno != 0 {
		return fmt.Errorf("random: add: %w", errno)
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.RNDRESEEDCRNG, 0); errno != 0 {
		return fmt.Errorf("random: reseed: %w", errno)
	}
	return nil
}

// RandomBytes is how many random bytes wake a machine.
const RandomBytes = 64

// FaceNothing is the face of our binary that does nothing: [Pace] times it.
const FaceNothing = "moulinette-nothing"

// paces is how often Pace runs the program.
const paces = 9

// Pace measures how fast processes come and go: the median time of the agent's
// binary at path, made to do nothing. The host's and a guest's together say how
// much longer a scenario may take in the guest.
func Pace(path string) (time.Duration, error) {
	var took []time.Duration
	for range paces {
		start := time.Now()
		cmd := &exec.Cmd{Path: path, Args: []string{FaceNothing}, Env: []string{}}
		if err := cmd.Run(); err != nil {
			return 0, fmt.Errorf("pace: %w", err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	return took[paces/2], nil
}
