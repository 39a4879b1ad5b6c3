// Package jail runs a compiler where it sees the host's system folders,
// read-only, and the folders that it is given, and nothing else: a compiler
// opens whatever a stranger's text tells it to.
//
// It knows nothing of submissions. One half prepares a command; the other is the
// face of our static binary that this command executes, which closes the doors
// and becomes the compiler.
package jail

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Face is the name under which our binary is the jail.
const Face = "moulinette-jail"

// Mark begins what the jail itself has to say, a fault of the host, and Failed is the
// exit status with which it does.
const (
	Mark   = "jail: "
	Failed = 125
)

// Kind is how the doors are closed. The zero value is invalid.
type Kind string

// The kinds, the better first.
const (
	Namespaces Kind = "namespaces" // a root, processes and a network of its own
	Landlock   Kind = "landlock"   // the host's files, but for what is shown only refusals (Linux 5.13)
)

// Kinds are all of them, the better first.
func Kinds() []Kind { return []Kind{Namespaces, Landlock} }

// Plan says what to run.
type Plan struct {
	Kind    Kind     `json:"kind"`
	Root    string   `json:"root"` // an empty folder of the host, over which the new root is mounted
	Dir     string   `json:"dir"`  // where to run, as it is called inside
	Args    []string `json:"args"` // Args[0] is the executable
	Env     []string `json:"env"`
	Folders []Folder `json:"folders"`
	Hide    []string `json:"hide"` // folders of the host that are not shown, even where they lie below the system's
	Limits  Limits   `json:"limits"`
}

// Folder is a folder of the host that is shown besides the system's.
type Folder struct {
	Host   string `json:"host"`
	Inside string `json:"inside"` // empty: as on the host, which Landlock cannot change
	Write  bool   `json:"write"`
}

func (f Folder) inside() string {
	if f.Inside == "" {
		return f.Host
	}
	return f.Inside
}

// Limits are those of each process: a text of a few lines can ask for any
// amount. 0 means none.
type Limits struct {
	Data    uint64 `json:"data"`    // bytes of memory of its own; address space Go reserves without end, this program too
	File    uint64 `json:"file"`    // bytes of each file
	Seconds uint64 `json:"seconds"` // of the processor
}

// Command prepares the run of a plan by self, a binary that has the face.
func Command(ctx context.Context, self string, p Plan) (*exec.Cmd, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("jail: %w", err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Args = []string{Face, string(text)}
	cmd.Env = []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if p.Kind == Namespaces {
		isolate(cmd.SysProcAttr)
	}
	return cmd, nil
}

// Main is the face: it returns only if it has not become the compiler.
func Main(args []string) int {
	runtime.LockOSThread() // what is taken away is the thread's, and it is the thread that executes
	var p Plan
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, Mark+"this program is started by moulinette, not by hand")
		return Failed
	}
	if err := json.Unmarshal([]byte(args[1]), &p); err != nil {
		fmt.Fprintln(os.Stderr, Mark+err.Error())
		return Failed
	}
	if err := enter(p); err != nil {
		fmt.Fprintln(os.Stderr, Mark+err.Error())
		return Failed
	}
	return 0
}

// step has a name, so that a refusal says where it came.
type step struct {
	name string
	do   func() error
}

func enter(p Plan) error {
	steps, err := p.steps()
	if err != nil {
		return err
	}
	steps = append(
		steps,
		step{"folder", func() error { return os.Chdir(p.Dir) }},
		step{"limits", p.Limits.set},
		step{"execute", func() error { return syscall.Exec(p.Args[0], p.Args, p.Env) }},
	)
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func (p Plan) steps() ([]step, error) {
	switch p.Kind {
	case Namespaces:
		return p.namespaces(), nil
	case Landlock:
		return p.landlock(), nil
	}
	return nil, fmt.Errorf("kind %q is not valid", p.Kind)
}

func (l Limits) set() error {
	for resource, most := range map[int]uint64{
		unix.RLIMIT_DATA: l.Data, unix.RLIMIT_FSIZE: l.File, unix.RLIMIT_CPU: l.Seconds, unix.RLIMIT_CORE: 0,
	} {
		if most == 0 && resource != unix.RLIMIT_CORE {
			continue
		}
		var old unix.Rlimit
		if err := unix.Getrlimit(resource, &old); err != nil {
			return err
		}
		most = min(most, old.Max)
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return err
		}
	}
	return nil
}

// disarm takes away what root in the jail's user namespace could take it down
// with: mounts made read-only here could be made writable again here. No later
// execve gives any of it back.
func disarm() error {
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil && err != unix.EINVAL && err != unix.EPERM {
			return fmt.Errorf("bounding set: %w", err)
		}
	}
	const noRoot = 1 << 0 // SECBIT_NOROOT; its lock is the next bit
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, noRoot|noRoot<<1, 0, 0, 0); err != nil && err != unix.EPERM {
		return fmt.Errorf("securebits: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}
