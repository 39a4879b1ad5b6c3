package battery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"moulinette/grader"
	"moulinette/grader/box"
	"moulinette/grader/build"
	"moulinette/grader/sandbox/ns"
	"moulinette/tests/fingerprint"
)

// User says who grades.
type User string

// Users.
const (
	Root        User = "root"        // as in CI
	Subordinate User = "subordinate" // an ordinary user with subordinate ids
	Single      User = "single"      // an ordinary user with its own id alone
	Machine     User = "machine"     // whoever it is, in virtual machines
)

// account is a user that exists only in the mount namespace of a player, and the
// first of its subordinate ids. Processes that play side by side have others: the
// kernel counts by user.
func account() (id, first int) {
	n := os.Getpid() % 4096
	return 61235 + n, 300000 + n<<16
}

// Stage is a place in which programs are built, and played by a process of its
// own: it may be killed, and we live to tell.
type Stage struct {
	Dir     string // readable by everybody; the player's home
	Root    string // the repository
	Agent   string
	Builder *build.Builder

	Users []User // that programs can be played as here

	canary *exec.Cmd
	agents map[int]bool // of all that was played since the fingerprint was taken
	before *fingerprint.Print
}

// playerArgument makes a test binary a player, see [Main].
const playerArgument = "battery-player"

// Main is to be called first by the TestMain of whoever uses a stage: in a child
// of such a test it is all that runs.
func Main() {
	if len(os.Args) != 2 || os.Args[1] != playerArgument {
		return
	}
	if err := player(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:revive // the main function of a player
	}
	os.Exit(0) //nolint:revive // as above
}

// Open makes a stage below dir, and builds the agent.
func Open(dir, root string) (*Stage, error) {
	if err := fingerprint.Reaper(); err != nil {
		return nil, err
	}
	s := &Stage{Dir: dir, Root: root, Agent: filepath.Join(dir, "agent")}
	cmd := exec.Command("go", "build", "-trimpath", "-o", s.Agent, "moulinette/grader/cmd/agent") // as `make build` does: what it compiled is there
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the agent: %w: %s", err, out)
	}
	s.Builder = &build.Builder{Cache: filepath.Join(dir, "cache"), Sources: grader.Sources(), Jail: s.Agent}
	if err := errors.Join(s.copyPlayer(), s.findUsers()); err != nil {
		return nil, err
	}
	// The canary waits for the end of its input, and should die of nothing else.
	s.canary = exec.Command("cat")
	if _, err := s.canary.StdinPipe(); err != nil {
		return nil, err
	}
	return s, s.canary.Start()
}

// Close ends what the stage has started.
func (s *Stage) Close() {
	_ = s.canary.Process.Kill()
	_ = s.canary.Wait()
}

// findUsers: root can become anybody, and who is somebody else is that alone.
func (s *Stage) findUsers() error {
	if os.Geteuid() == 0 {
		s.Users = []User{Root, Subordinate, Single}
		return nil
	}
	opener, err := ns.New(ns.Options{Agent: s.Agent})
	if err != nil {
		return err
	}
	s.Users = []User{Single}
	if opener.Mode() == box.Subordinate {
		s.Users = []User{Subordinate}
	}
	return nil
}

// copyPlayer makes a copy of the running program that everybody can execute.
func (s *Stage) copyPlayer() error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(own)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.Dir, "player"), text, 0o755); err != nil {
		return err
	}
	id, first := account()
	for name, text := range map[string]string{
		"passwd":      fmt.Sprintf("root:x:0:0::/root:/bin/sh\nseaside:x:%d:%d::%s:/bin/sh\n", id, id, s.Dir),
		"subordinate": fmt.Sprintf("seaside:%d:65536\n", first),
		"single":      "",
	} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// becoming is how root becomes somebody else, where nobody but the player sees
// the account. Without its -n, mount makes a folder in /run for its own notes.
const becoming = `set -e
mount -n --bind "$D/passwd" /etc/passwd
mount -n --bind "$D/$AS" /etc/subuid
mount -n --bind "$D/$AS" /etc/subgid
exec setpriv --reuid=$ID --regid=$ID --clear-groups "$@"`

// fewDescriptors is a limit that many a host has.
const fewDescriptors = `ulimit -n 1024; exec "$@"`

// Play has a player play a plan as a user.
func (s *Stage) Play(ctx context.Context, as User, p Plan) ([][]Outcome, error) {
	p.Agent, p.Cache = s.Agent, filepath.Join(s.Dir, "machines")
	plan, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	player := []string{"sh", "-c", fewDescriptors, "sh", filepath.Join(s.Dir, "player"), playerArgument}
	cmd := exec.CommandContext(ctx, player[0], player[1:]...)
	if as != Root && os.Geteuid() == 0 {
		cmd = exec.CommandContext(ctx, "sh", append([]string{"-c", becoming, "sh"}, player...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
	}
	id, _ := account()
	cmd.Env = append(cmd.Environ(), "D="+s.Dir, "AS="+string(as), fmt.Sprintf("ID=%d", id))
	cmd.Stdin = bytes.NewReader(plan)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("the grader did not live: %w: %s", err, &said)
	}
	var a answer
	if err := json.NewDecoder(&out).Decode(&a); err != nil {
		return nil, fmt.Errorf("the player's answer: %w", err)
	}
	maps.Copy(s.agents, a.Agents)
	return a.Outcomes, nil
}

// share lets everybody read the drivers.
func (s *Stage) share() error {
	return filepath.WalkDir(s.Dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(path, 0o755)
	})
}

// Remember takes the machine's fingerprint, once all is built. [Stage.Harm]
// compares with it.
func (s *Stage) Remember() (err error) {
	if err := s.share(); err != nil {
		return err
	}
	s.agents = map[int]bool{}
	s.before, err = fingerprint.Take(fingerprint.Place{Repository: s.Root, Scratch: []string{s.Dir}, Living: []int{s.canary.Process.Pid}})
	return err
}

// Harm lists what is no longer as it was remembered.
func (s *Stage) Harm(ctx context.Context) ([]string, error) {
	found, err := s.before.Differs(ctx)
	for _, group := range fingerprint.Groups(s.agents) {
		found = append(found, "cgroups: "+group+" was left")
	}
	return found, err
}
