package ns

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"moulinette/grader/agent"
	"moulinette/grader/box"
)

// process is a running agent.
type process struct {
	cmd    *exec.Cmd
	mode   box.Mode
	stderr *tail
	once   sync.Once
	died   chan struct{}
}

// start starts an agent and gives our end of its connection. The agent dies
// with the thread that started it (PR_SET_PDEATHSIG), so that one is kept.
func (o *Opener) start() (*process, *net.UnixConn, error) {
	conn, theirs, err := box.Pair()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	p := &process{mode: o.mode, stderr: &tail{}, died: make(chan struct{})}
	p.cmd = exec.Command(o.options.Agent)
	p.cmd.Args = []string{"moulinette-agent"}
	p.cmd.Env = []string{"GOMAXPROCS=2", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	p.cmd.Stderr = p.stderr
	p.cmd.ExtraFiles = []*os.File{theirs}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread's timer slack ends with it
		err := o.startOn(p)
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
			close(p.died)
		}
	}()
	if err := <-started; err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("start the agent: %w", err)
	}
	return p, conn, nil
}

// startOn starts the agent from the calling thread.
func (o *Opener) startOn(p *process) error {
	if err := agent.Slacken(); err != nil {
		return err
	}
	if o.mode == box.Root || o.mode == box.Privileged {
		return p.cmd.Start()
	}
	return o.startMapped(p)
}

// startMapped starts the agent in a user namespace of its own, in which it is
// root, as an ordinary user may.
func (o *Opener) startMapped(p *process) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	kind := "one"
	if o.mode == box.Subordinate {
		kind = "range"
	}
	p.cmd.Env = append(p.cmd.Env, agent.MapsPending+"="+kind)
	p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, r)
	p.cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS
	// The agent is executed before its maps are written, as nobody; execve
	// keeps a nobody's capabilities only if they are ambient.
	p.cmd.SysProcAttr.AmbientCaps = box.AllCapabilities()
	err = p.cmd.Start()
	r.Close()
	if err != nil {
		return err
	}
	if err = o.writeMaps(p.cmd.Process.Pid); err == nil {
		_, err = w.Write([]byte{1})
	}
	if err != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
	return err
}

// patience is what an agent may take to clear up, once its connection is closed.
const patience = 5 * time.Second

// end lets the agent end by itself, which removes what it has on the host.
func (p *process) end() {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.died:
	case <-timer.C:
	}
	p.kill()
}

// kill ends the agent, and with it its boxes: their inits die with the thread
// that started them. It returns what the agent said last, for an error message.
func (p *process) kill() string {
	p.once.Do(func() {
		_ = p.cmd.Process.Kill()
		<-p.died
		if !p.cmd.ProcessState.Success() { // it had no time to clear up
			box.Sweep(p.mode, patience)
		}
	})
	if said := p.stderr.String(); said != "" {
		return ": " + said
	}
	return ""
}

func (o *Opener) writeMaps(pid int) error {
	if o.mode == box.Subordinate {
		return o.ids.write(pid)
	}
	return writeFiles(pid, [][2]string{
		{"setgroups", "deny"},
		{"uid_map", fmt.Sprintf("0 %d 1", os.Geteuid())},
		{"gid_map", fmt.Sprintf("0 %d 1", os.Getegid())},
	})
}

// writeFiles writes files of a process, each a name and its text.
func writeFiles(pid int, files [][2]string) error {
	for _, f := range files {
		if err := os.WriteFile("/proc/"+strconv.Itoa(pid)+"/"+f[0], []byte(f[1]), 0); err != nil {
			return err
		}
	}
	return nil
}

// subIDs are the first ids that /etc/subuid and /etc/subgid give this user, or that
// root of a container has besides its own.
type subIDs struct {
	uid, gid int
	direct   bool // nobody's help is needed to map them
}

const idsNeeded = 65536

// write maps the user's own id to 0 and its subordinate ids from 1 on, by the
// helpers that may do so (newuidmap(1)).
func (s subIDs) write(pid int) error {
	if s.direct {
		text := fmt.Sprintf("0 0 1\n1 %d %d\n", s.uid, idsNeeded-1)
		return writeFiles(pid, [][2]string{{"uid_map", text}, {"gid_map", text}})
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for _, m := range []struct {
		helper     string
		own, first int
	}{
		{"newuidmap", os.Geteuid(), s.uid},
		{"newgidmap", os.Getegid(), s.gid},
	} {
		if err := help(ctx, m.helper, strconv.Itoa(pid), "0", strconv.Itoa(m.own), "1", "1", strconv.Itoa(m.first), strconv.Itoa(idsNeeded-1)); err != nil {
			return err
		}
	}
	return nil
}

// help has a helper do its work. It may ask somebody about users who does not answer.
func help(ctx context.Context, helper string, args ...string) error {
	cmd := exec.CommandContext(ctx, helper, args...)
	cmd.WaitDelay = time.Second // should a child of it hold its output
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", helper, cmp.Or(ctx.Err(), err), bytes.TrimSpace(out))
	}
	return nil
}

// rootMode decides for root: ids that nobody else has, or where root is that of a
// container's user namespace (rootless, userns-remap, pods with hostUsers: false) those
// that the container has, or its own id alone.
func rootMode() (box.Mode, subIDs) {
	switch {
	case box.HasRanges():
		return box.Root, subIDs{}
	case box.Mapped(1, idsNeeded-1):
		return box.Subordinate, subIDs{uid: 1, gid: 1, direct: true}
	}
	return box.Single, subIDs{}
}

// ordinaryMode decides for an ordinary user: a range where the helpers and the
// tables give one, else the own id alone.
func ordinaryMode() (box.Mode, subIDs) {
	for _, helper := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(helper); err != nil {
			return box.Single, subIDs{}
		}
	}
	ids, err := findSubIDs()
	if err != nil {
		return box.Single, subIDs{}
	}
	return box.Subordinate, ids
}

// tail keeps the first and the last of what an agent says.
type tail struct {
	mu         sync.Mutex
	head, text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 4096
	t.mu.Lock()
	defer t.mu.Unlock()
	t.head = append(t.head, p[:min(len(p), most-len(t.head))]...)
	t.text = append(t.text, p...)
	if len(t.text) > most {
		t.text = t.text[len(t.text)-most:]
	}
	return len(p), nil
}

// String is what was said last; of a crash, how it begins and where it was.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if crash := crashed.Find(t.head); crash != nil {
		said := strings.Join(strings.Fields(string(crash)), " ")
		if place := placed.FindSubmatch(t.head); place != nil {
			said += " (" + string(place[1]) + ")"
		}
		return said
	}
	return strings.TrimSpace(string(t.text))
}

// How the Go runtime begins to tell of a crash, up to the first empty line, and where
// it was in our code.
var (
	crashed = regexp.MustCompile(`(?ms)^(?:runtime: |fatal error: |panic: |SIG[A-Z]+: ).*?(?:\n\n|\z)`)
	placed  = regexp.MustCompile(`(?m)^\t\S*?(grader/\S+\.go:\d+)`)
)

var errNoSubIDs = errors.New("no subordinate ids")
