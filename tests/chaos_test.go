package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Who is killed.
var victims = []string{"agent", "nursery", "init", "driver", "compiler", "grader"}

// chaosRow is what is graded meanwhile: a few scenarios of several kinds.
var chaosRows = []string{"--only", "pid_isolation", "--only", "container_create", "--only", "veth_pair"}

// TestChaos kills one of our own processes at a random moment, many times. The
// verdict is right or the harness takes the blame; nothing is left, and the next
// grading is as if nothing had been. CHAOS sets how many times, CHAOS_SEED which.
func TestChaos(t *testing.T) {
	n, seed := len(victims), uint64(time.Now().UnixNano())
	if text := os.Getenv("CHAOS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("CHAOS=%d CHAOS_SEED=%d", n, seed)
	c := newChaos(t, rand.New(rand.NewPCG(seed, 0)))
	for i := range n {
		c.round(t, i, victims[i%len(victims)])
	}
	t.Logf("%v", c.tally)
	if c.tally["missed"] > n/2 {
		t.Errorf("most victims were never met: %v", c.tally)
	}
}

// chaos is a place in which gradings are disturbed.
type chaos struct {
	dir    string
	random *rand.Rand
	mounts string
	tally  map[string]int
	agents map[int]bool // that our gradings had
}

func newChaos(t *testing.T, random *rand.Rand) *chaos {
	// Orphans of a killed grader come to us, so that none is overlooked.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) })
	c := &chaos{dir: t.TempDir(), random: random, tally: map[string]int{}, agents: map[int]bool{}}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	c.mounts = string(mounts)
	for _, language := range []string{"go", "c17"} {
		if s, code, said := c.grade(t, c.reference(t, language, 0), ""); code != 0 || s.Passed == nil || !*s.Passed {
			t.Fatalf("undisturbed: exit code %d\n%s", code, said)
		}
	}
	c.swept(t, "undisturbed")
	return c
}

// reference is a copy of the model answer; each i makes another text of it.
func (c *chaos) reference(t *testing.T, language string, i int) string {
	t.Helper()
	source, pattern := "../reference", "*.go"
	if _, err := exec.LookPath("gcc"); err == nil && language == "c17" {
		source, pattern = "../reference/c17", "*.[ch]"
	}
	dir := filepath.Join(c.dir, fmt.Sprintf("%s-%d", language, i))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(source, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", source, files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), fmt.Appendf(text, "\n// %d\n", i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// round disturbs one grading, and then looks whether the next is undisturbed.
func (c *chaos) round(t *testing.T, i int, victim string) {
	language := []string{"go", "c17"}[c.random.IntN(2)]
	text := 0 // its driver is in the cache
	if victim == "compiler" || c.random.IntN(4) == 0 {
		text = i + 1
	}
	dir := c.reference(t, language, text)
	s, code, said := c.grade(t, dir, victim)
	what := fmt.Sprintf("round %d, %s killed, %s", i, victim, language)
	switch {
	case code < 0 && victim == "grader": // it says nothing any more
	case code == 0 && s.Passed != nil && *s.Passed && s.Score == c.full(s):
	case code == 3 && (len(s.Faults) > 0 || strings.TrimSpace(said) != "" && s.Rows == nil):
		c.tally["taken upon us"]++
	default:
		t.Errorf("%s: exit code %d; want a right verdict, or 3 and why\n%s", what, code, brief(said))
	}
	c.nothingLeft(t, what)
	if victim == "grader" {
		if s, code, said := c.grade(t, dir, ""); code != 0 || s.Score != c.full(s) {
			t.Errorf("%s: the next grading: exit code %d\n%s", what, code, said)
		}
		c.swept(t, what)
	}
}

// brief leaves of a report what is wrong.
func brief(report string) string {
	var lines []string
	for line := range strings.Lines(report) {
		if strings.Contains(line, "\"id\"") || strings.Contains(line, "\"verdict\": \"fail") || strings.Contains(line, "\"reason\": \"") && !strings.Contains(line, "\"\"") || strings.Contains(line, "\"got\"") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

func (c *chaos) full(s sheet) (points int) {
	for _, r := range s.Rows {
		points += r.Points
	}
	return points
}

// grade grades and kills a victim meanwhile, if one is named.
func (c *chaos) grade(t *testing.T, dir, victim string) (s sheet, code int, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	args := append([]string{"grade", dir, "--format", "json", "--lang", "en"}, chaosRows...)
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "moulinette"), args...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(c.dir, "cache"), "TMPDIR="+c.dir)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over, seen := make(chan struct{}), make(chan []int, 1)
	go func() { seen <- agentsOf(cmd.Process.Pid, over) }()
	killed := make(chan bool, 1)
	go func() { killed <- c.kill(cmd.Process.Pid, victim, over) }()
	_ = cmd.Wait()
	close(over)
	for _, pid := range <-seen {
		c.agents[pid] = true
	}
	switch {
	case <-killed:
		c.tally[victim]++
	case victim != "":
		c.tally["missed"]++
	}
	if ctx.Err() != nil {
		t.Errorf("%s killed: the grader hangs", victim)
	}
	code = cmd.ProcessState.ExitCode()
	if code >= 0 && stdout.Len() > 0 {
		if err := json.Unmarshal(stdout.Bytes(), &s); err != nil {
			t.Errorf("%s killed: %v\n%s", victim, err, stdout.String())
		}
	}
	return s, code, stderr.String() + stdout.String()
}

// agentsOf collects the agents that a grader has until it is over.
func agentsOf(grader int, over <-chan struct{}) (pids []int) {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		for _, pid := range childrenOf(grader) {
			if !slices.Contains(pids, pid) && isVictim(pid, "agent") {
				pids = append(pids, pid)
			}
		}
		select {
		case <-look.C:
		case <-over:
			return pids
		}
	}
}

// kill waits for a random moment, and then for the victim to be there.
func (c *chaos) kill(grader int, victim string, over <-chan struct{}) bool {
	if victim == "" {
		return false
	}
	moment := time.NewTimer(time.Duration(c.random.IntN(900)) * time.Millisecond)
	defer moment.Stop()
	select {
	case <-moment.C:
	case <-over:
		return false
	}
	look := time.NewTicker(500 * time.Microsecond)
	defer look.Stop()
	for {
		if pid := find(grader, victim); pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
			return true
		}
		select {
		case <-look.C:
		case <-over:
			return false
		}
	}
}

// find looks for a victim among the descendants of the grader.
func find(grader int, victim string) int {
	if victim == "grader" {
		return grader
	}
	queue := []int{grader}
	for len(queue) > 0 {
		pid := queue[0]
		queue = append(queue[1:], childrenOf(pid)...)
		if pid != grader && isVictim(pid, victim) {
			return pid
		}
	}
	return 0
}

func isVictim(pid int, victim string) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return false
	}
	name, _, _ := strings.Cut(string(text), "\x00")
	switch victim {
	case "agent":
		return string(comm) == "moulinette-agen\n"
	case "nursery":
		return string(comm) == "moulinette-crib\n"
	case "init":
		return string(comm) == "moulinette-init\n"
	case "driver":
		return name == "driver"
	}
	return slices.Contains([]string{"moulinette-jail", "go", "compile", "link", "gcc", "cc1", "as", "collect2", "ld"}, filepath.Base(name))
}

func childrenOf(pid int) (pids []int) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(text)) {
			if n, err := strconv.Atoi(field); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// nothingLeft waits for every orphan, and looks at the mounts.
func (c *chaos) nothingLeft(t *testing.T, what string) {
	t.Helper()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && !errors.Is(err, syscall.EINTR) {
				return
			}
		}
	}()
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: processes are left: %v", what, childrenOf(os.Getpid()))
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || string(mounts) != c.mounts {
		t.Errorf("%s: %v, mounts are\n%s\nand were\n%s", what, err, mounts, c.mounts)
	}
}

// swept looks for what a killed grader cannot remove, and the next one does.
func (c *chaos) swept(t *testing.T, what string) {
	t.Helper()
	if left, err := os.ReadDir(filepath.Join(c.dir, "cache", "moulinette", "tmp")); err != nil || len(left) > 0 {
		t.Errorf("%s: left in the cache: %v, %v", what, left, err)
	}
	if left, _ := filepath.Glob(filepath.Join(c.dir, "moulinette*")); len(left) > 0 {
		t.Errorf("%s: left in TMPDIR: %v", what, left)
	}
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/moulinette-*")
	for _, g := range groups {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(g), "moulinette-"), "-")
		if n, err := strconv.Atoi(pid); err == nil && c.agents[n] {
			t.Errorf("%s: left in the cgroups: %s", what, g)
		}
	}
}
