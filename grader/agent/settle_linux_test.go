package agent

import (
	"bufio"
	"errors"
	"math"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
	"moulinette/grader/observe"
	"moulinette/grader/scenario"
)

// A probe that answers lives; of one that does not, the end is waited for, for a
// signal that was sent has not struck yet.
func TestSettleWaitsForTheKilled(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	pidfd := os.NewFile(uintptr(fd), "pidfd")
	defer pidfd.Close()
	ours, theirs := connected(t)
	p := &probes{
		s:      &session{clock: newClock(1)},
		live:   map[string]*visitor{"p": {conn: ours, r: bufio.NewReader(ours), pid: cmd.Process.Pid, pidfd: pidfd}},
		pidfds: map[string]*os.File{"p": pidfd},
	}
	asked := make(chan error, 1)
	go func() {
		r := bufio.NewReader(theirs)
		_, err := r.ReadString('\n')
		if err == nil {
			_, err = theirs.Write([]byte("{\"acts\":[]}\n"))
		}
		if err == nil {
			_, err = r.ReadString('\n') // and does not answer: it dies
		}
		if err == nil {
			err = cmd.Process.Kill()
		}
		theirs.Close()
		asked <- err
	}()
	ended := func() bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return err == nil && n == 1
	}
	if p.settle(); ended() {
		t.Error("a probe that answered has ended")
	}
	p.settle()
	if err := <-asked; err != nil || !ended() {
		t.Errorf("%v, ended %t; want a probe that was killed to have ended", err, ended())
	}
}

// A visitor without a name is noted under the same one each time.
func TestAnyName(t *testing.T) {
	for range 100 {
		p := &probes{scripts: map[string]scenario.Script{"c": {}, "b": {}, "a": {}}}
		if got := p.anyName(); got != "a" {
			t.Fatalf("got %s; want a", got)
		}
	}
	if got := new(probes).anyName(); got != "probe" {
		t.Errorf("got %s of none", got)
	}
}

// What a probe said before it died is heard, however late we come to it.
func TestSettleHearsTheDead(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	for alive(cmd.Process.Pid) { // a zombie, until Wait
	}
	ours, theirs := connected(t)
	defer ours.Close()
	s := &session{clock: newClock(1), rec: &evidence.Record{Probes: map[string]evidence.Probe{"p": {Acts: map[string]evidence.ActResult{}}}}}
	p := &probes{s: s, asked: map[*visitor]bool{}, changed: make(chan struct{})}
	v := &visitor{conn: ours, r: bufio.NewReader(ours), pid: cmd.Process.Pid}
	if _, err := theirs.Write([]byte(`{"acts":[{"ok":true}]}` + "\n")); err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	s.mu.Lock() // we are late
	heard, settled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(heard)
		p.order("p", v, scenario.Order{Do: []scenario.Act{{Do: "getpid"}}}, s.clock.within(patience))
	}()
	for asked := false; !asked; {
		p.mu.Lock()
		asked = p.asked[v]
		p.mu.Unlock()
	}
	go func() {
		defer close(settled)
		p.settle()
	}()
	select {
	case <-settled:
		t.Error("settled before all was heard")
	case <-time.After(5 * pollEvery):
	}
	s.mu.Unlock()
	<-heard
	<-settled
	if act := s.rec.Probes["p"].Acts["getpid"]; !act.OK {
		t.Errorf("%+v; want the act that was told", s.rec.Probes["p"])
	}
}

// Of two probes that come in at once under one name, one is the first.
func TestTwoAtOnce(t *testing.T) {
	s := &session{clock: newClock(1), rec: &evidence.Record{Probes: map[string]evidence.Probe{}}, observer: &observe.Observer{}}
	p := &probes{
		s: s, names: map[string]bool{"p": true}, strangers: map[string]bool{}, counts: map[string]int{}, pids: map[int]bool{},
		asked: map[*visitor]bool{}, pidfds: map[string]*os.File{}, held: map[*os.File]bool{}, changed: make(chan struct{}),
	}
	var pidfds [2]*os.File
	var welcomed sync.WaitGroup
	s.mu.Lock() // neither is looked at before both are here
	for i := range pidfds {
		ours, theirs := connected(t)
		defer theirs.Close()
		null, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		pidfds[i] = null
		welcomed.Go(func() { p.welcome("p", &visitor{conn: ours, r: bufio.NewReader(ours), pidfd: null}) })
		for here := false; !here; {
			p.mu.Lock()
			here = p.held[null]
			p.mu.Unlock()
		}
	}
	s.mu.Unlock()
	welcomed.Wait()
	if got := s.rec.Probes["p"]; p.pidfds["p"] != pidfds[0] || got.Times != 2 {
		t.Errorf("the first is held: %t, of %d; want the first of 2", p.pidfds["p"] == pidfds[0], got.Times)
	}
	if _, err := pidfds[1].Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v; want the second one's descriptor closed", err)
	}
}

// Until the box is gone probes come in, also while it is written down which have ended.
func TestNoteWhileProbesComeIn(t *testing.T) {
	s := &session{
		clock: newClock(1), rec: &evidence.Record{Probes: map[string]evidence.Probe{}}, observer: &observe.Observer{},
	}
	p := &probes{
		s: s, strangers: map[string]bool{}, counts: map[string]int{}, pids: map[int]bool{},
		asked: map[*visitor]bool{}, pidfds: map[string]*os.File{}, held: map[*os.File]bool{}, changed: make(chan struct{}),
	}
	come := make(chan struct{})
	go func() {
		defer close(come)
		for i := range 300 {
			ours, theirs := connected(t)
			p.mu.Lock()
			clear(p.strangers) // as if there were no end to them
			p.mu.Unlock()
			p.welcome(strconv.Itoa(i), &visitor{conn: ours, r: bufio.NewReader(ours), pidfd: os.NewFile(math.MaxInt32, "none")})
			theirs.Close()
		}
	}()
	for {
		select {
		case <-come:
			return
		default:
			p.note()
			s.note("one of ours")
		}
	}
}

// Names that nobody asked for are counted, up to a number of them, and not looked at.
// An impostor is noted under whatever name.
func TestStrangers(t *testing.T) {
	s := &session{
		clock: newClock(1), rec: &evidence.Record{Probes: map[string]evidence.Probe{}}, observer: &observe.Observer{},
	}
	p := &probes{
		s: s, names: map[string]bool{"p": true}, strangers: map[string]bool{}, scripts: map[string]scenario.Script{"p": {}}, counts: map[string]int{},
		pids: map[int]bool{}, asked: map[*visitor]bool{}, pidfds: map[string]*os.File{}, held: map[*os.File]bool{}, changed: make(chan struct{}),
	}
	come := func(name string) {
		ours, theirs := connected(t)
		p.welcome(name, &visitor{conn: ours, r: bufio.NewReader(ours), pidfd: os.NewFile(math.MaxInt32, "none")})
		theirs.Close()
	}
	for i := range 2 * maxStrangers {
		come(strconv.Itoa(i))
	}
	if len(s.rec.Probes) != maxStrangers || len(p.pidfds) != maxStrangers || s.rec.Probes["0"].Times != 1 || len(s.rec.Notes) > 0 {
		t.Errorf("%d records, %d descriptors, %+v, notes %q; want %d of each, and nobody looked at", len(s.rec.Probes), len(p.pidfds), s.rec.Probes["0"], s.rec.Notes, maxStrangers)
	}
	come("p")
	if got := s.rec.Probes["p"]; got.Times != 1 || len(s.rec.Notes) != 1 {
		t.Errorf("%+v, notes %q; want one that there was a look at", got, s.rec.Notes)
	}
	p.impostor("one more", evidence.Otherwise, os.NewFile(math.MaxInt32, "none"))
	if got := s.rec.Probes["p"].Impostor; got != evidence.Otherwise || len(s.rec.Probes) != maxStrangers+1 {
		t.Errorf("%q, %d records; want an impostor noted under the name that there is", got, len(s.rec.Probes))
	}
}

// Of several probes of one name, that is struck which was told to wait for it.
func TestWhoIsToldIsStruck(t *testing.T) {
	s := &session{clock: newClock(1), rec: &evidence.Record{Probes: map[string]evidence.Probe{}}, observer: &observe.Observer{}}
	p := &probes{
		s: s, strangers: map[string]bool{}, scripts: map[string]scenario.Script{"p": {Name: "p", Kill: int(unix.SIGTERM)}, "q": {Name: "q", Stay: true}},
		counts: map[string]int{}, pids: map[int]bool{}, live: map[string]*visitor{}, asked: map[*visitor]bool{},
		pidfds: map[string]*os.File{}, held: map[*os.File]bool{}, changed: make(chan struct{}),
	}
	come := func(name string) int {
		pid := start(t, exec.Command("sleep", "60"))
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := connected(t)
		t.Cleanup(func() { ours.Close(); theirs.Close() })
		p.welcome(name, &visitor{conn: ours, r: bufio.NewReader(ours), pid: pid, pidfd: os.NewFile(uintptr(fd), "pidfd")})
		return pid
	}
	wait := func(pid int) {
		for limit := time.Now().Add(10 * time.Second); alive(pid); {
			if time.Now().After(limit) {
				t.Fatal("who was told was not struck")
			}
		}
	}
	wait(come("p"))
	wait(come("p"))
	first, second := come("q"), come("q")
	if err := p.ask("ask", scenario.Ask{Name: "q", Kill: int(unix.SIGTERM)}, s.clock.within(patience)); err != nil {
		t.Fatal(err)
	}
	if wait(second); !alive(first) {
		t.Error("the first one was struck, too")
	}
	if len(p.held) != 3 {
		t.Errorf("%d descriptors are held; want those of who was first, and of who stays", len(p.held))
	}
}

func connected(t *testing.T) (ours, theirs *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, end := range []**net.UnixConn{&ours, &theirs} {
		f := os.NewFile(uintptr(fds[i]), "end")
		conn, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		*end = conn.(*net.UnixConn)
	}
	return ours, theirs
}

// Visitors in crowds leave the agent descriptors to look with.
func TestCrowd(t *testing.T) {
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	limit := was
	limit.Cur = min(fewDescriptors, was.Max)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &was) })
	for n := 0; ; n++ {
		ours, theirs := connected(t)
		defer func() { ours.Close(); theirs.Close() }()
		if crowded(ours) {
			break
		}
		if n > fewDescriptors {
			t.Fatal("never a crowd")
		}
	}
	var reserved []*os.File
	defer func() {
		for _, f := range reserved {
			f.Close()
		}
	}()
	for range fewDescriptors/2 + fewDescriptors/5 { // our half, and the visitors' second ones
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Fatalf("after %d descriptors: %v", len(reserved), err)
		}
		reserved = append(reserved, f)
	}
}
