package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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

	"moulinette/tests/fingerprint"
)

// Who is killed.
var victims = []string{"agent", "nursery", "init", "driver", "compiler", "grader"}

// chaosRows is what is graded meanwhile: scenarios of several kinds, few of them,
// so that there can be many rounds.
var chaosRows = []string{
	"--only", "pid.child_is_init", "--only", "pid.leaves_nothing", "--only", "pid.refused", "--only", "veth.pair_is_connected",
	"--only", "container.isolated", "--only", "container.waits_for_its_maps", "--only", "container.whole_life", "--only", "user.map_is_written",
}

// ordinaryShare is which of the rounds an ordinary user grades, where we are root.
const ordinaryShare = 3

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
	dir      string
	ordinary *ordinary
	random   *rand.Rand
	mounts   map[string]string
	tally    map[string]int
	agents   map[int]bool                // that our gradings had
	usual    map[disturbed]time.Duration // of a grading that nobody disturbs, once it is built
}

// disturbed is a grading, and who is killed in it.
type disturbed struct {
	victim, language string
	text             int // of the submission; that of 0 is in the cache
	ordinary         bool
}

func (d disturbed) String() string {
	as := "as root"
	if d.ordinary {
		as = "as an ordinary user"
	}
	return fmt.Sprintf("%s killed, %s, %s", d.victim, d.language, as)
}

func newChaos(t *testing.T, random *rand.Rand) *chaos {
	// Orphans of a killed grader come to us, so that none is overlooked.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) })
	c := &chaos{dir: t.TempDir(), ordinary: newOrdinary(t), random: random, tally: map[string]int{}, agents: map[int]bool{}, usual: map[disturbed]time.Duration{}}
	tmp := filepath.Join(c.ordinary.dir, "tmp")
	if err := errors.Join(os.Mkdir(tmp, 0o755), os.Chown(tmp, ordinaryID, ordinaryID)); c.ordinary.root && err != nil {
		t.Fatal(err)
	}
	var err error
	if c.mounts, err = fingerprint.Mounts("self"); err != nil {
		t.Fatal(err)
	}
	kinds := []disturbed{{language: "go"}, {language: "c17"}, {language: "c17", ordinary: c.ordinary.root}}
	for _, d := range append(kinds, kinds...) {
		start := time.Now()
		s, code, said := c.grade(t, d)
		if s.Unjudged > 0 && len(s.Faults) == 0 {
			t.Skip("one id only: no grading here is whole (moulinette doctor has the cure)")
		}
		if code != 0 || s.Passed == nil || !*s.Passed {
			t.Fatalf("undisturbed%v: exit code %d\n%s", d, code, said)
		}
		c.usual[d] = time.Since(start)
	}
	c.swept(t, "undisturbed")
	t.Logf("undisturbed it takes %v", c.usual)
	return c
}

// home is the folder of whoever grades.
func (c *chaos) home(ordinary bool) string {
	if ordinary {
		return c.ordinary.dir
	}
	return c.dir
}

// reference is a copy of the model answer; each number makes another text of it.
func (c *chaos) reference(t *testing.T, d disturbed) string {
	t.Helper()
	source, pattern := "../reference", "*.go"
	if _, err := exec.LookPath("gcc"); err == nil && d.language == "c17" {
		source, pattern = "../reference/c17", "*.[ch]"
	}
	dir := filepath.Join(c.home(d.ordinary), fmt.Sprintf("%s-%d", d.language, d.text))
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
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), fmt.Appendf(text, "\n// %d\n", d.text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// round disturbs one grading, and then looks whether the next is undisturbed.
func (c *chaos) round(t *testing.T, i int, victim string) {
	d := disturbed{victim: victim, language: []string{"go", "c17"}[c.random.IntN(2)], ordinary: c.ordinary.root && c.random.IntN(ordinaryShare) == 0}
	if d.ordinary {
		d.language = "c17" // it has no build cache of Go's, and to fill one takes longer than all rounds
	}
	if victim == "compiler" || c.random.IntN(8) == 0 {
		d.text = i + 1
		if c.random.IntN(4) > 0 {
			d.language = "c17" // which costs a tenth of what the other does
		}
	}
	s, code, said := c.grade(t, d)
	what := fmt.Sprintf("round %d, %v", i, d)
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
		d.victim = ""
		if s, code, said := c.grade(t, d); code != 0 || s.Score != c.full(s) {
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
func (c *chaos) grade(t *testing.T, d disturbed) (s sheet, code int, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd, victim := c.command(ctx, t, d.ordinary, c.reference(t, d)), d.victim
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	over, seen := make(chan struct{}), make(chan []int, 1)
	go func() { seen <- agentsOf(cmd.Process.Pid, over) }()
	killed := make(chan bool, 1)
	go func() { killed <- c.kill(cmd.Process.Pid, d, over) }()
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
		if d.text == 0 { // the machine may be less busy than it was
			c.usual[disturbed{language: d.language, ordinary: d.ordinary}] = time.Since(start)
		}
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

func (c *chaos) command(ctx context.Context, t *testing.T, ordinary bool, dir string) *exec.Cmd {
	args := append([]string{"grade", dir, "--format", "json", "--lang", "en"}, chaosRows...)
	if ordinary {
		cmd := c.ordinary.command(ctx, "subids", args...)
		cmd.Env = append(cmd.Env, "TMPDIR="+filepath.Join(c.ordinary.dir, "tmp"))
		return cmd
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "moulinette"), args...)
	cmd.Env = append(cachedIn(t, filepath.Join(c.dir, "cache")), "TMPDIR="+c.dir)
	return cmd
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
func (c *chaos) kill(grader int, d disturbed, over <-chan struct{}) bool {
	if d.victim == "" {
		return false
	}
	victim, usual := d.victim, c.usual[disturbed{language: d.language, ordinary: d.ordinary}]
	moment := time.NewTimer(time.Duration(c.random.Int64N(int64(usual))))
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
	if mounts, err := fingerprint.Mounts("self"); err != nil || !maps.Equal(mounts, c.mounts) {
		t.Errorf("%s: %v, mounts are\n%q\nand were\n%q", what, err, mounts, c.mounts)
	}
}

// swept looks for what a killed grader cannot remove, and the next one does.
func (c *chaos) swept(t *testing.T, what string) {
	t.Helper()
	folders := []string{filepath.Join(c.dir, "cache", "moulinette", "tmp")}
	if c.ordinary.root {
		folders = append(folders, filepath.Join(c.ordinary.dir, "cache", "moulinette", "tmp"))
	}
	for _, dir := range folders {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left in the cache: %v, %v", what, left, err)
		}
	}
	for _, dir := range []string{c.dir, filepath.Join(c.ordinary.dir, "tmp")} {
		if left, _ := filepath.Glob(filepath.Join(dir, "moulinette*")); len(left) > 0 {
			t.Errorf("%s: left in TMPDIR: %v", what, left)
		}
	}
	for _, group := range fingerprint.Groups(c.agents) {
		t.Errorf("%s: left in the cgroups: %s", what, group)
	}
}
