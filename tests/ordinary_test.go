package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A user that exists only in the mount namespace of a test.
const ordinaryID = 61234

// sheet is the part of the JSON report that these tests look at.
type sheet struct {
	Passed    *bool  `json:"passed"`
	Isolation string `json:"isolation"`
	Score     int    `json:"score"`
	Unjudged  int    `json:"unjudged"`
	Bonus     struct{ Earned, Max int }
	Rows      []struct {
		ID      string `json:"id"`
		Points  int    `json:"points"`
		Verdict string `json:"verdict"`
		Reason  string `json:"reason"`
	} `json:"rows"`
	Faults []string `json:"harness_faults"`
}

// ordinary is a place in which commands run as an ordinary user. Without root
// it is the caller's own account, whatever that is allowed.
type ordinary struct {
	dir     string
	root    bool
	helpers string // a file in dir, in place of newuidmap(1) and newgidmap(1)
	around  string // a shell script that runs a command, "$@"; empty: it is just run
}

// newOrdinary builds the reference's driver as root, so that the ordinary user
// finds it in its cache.
func newOrdinary(t *testing.T) *ordinary {
	t.Helper()
	dir, err := os.MkdirTemp("", "moulinette-ordinary-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	o := &ordinary{dir: dir, root: os.Geteuid() == 0}
	for name, text := range map[string]string{
		"passwd": fmt.Sprintf("root:x:0:0::/root:/bin/sh\nseaside:x:%d:%d::%s:/bin/sh\n", ordinaryID, ordinaryID, dir),
		"subids": "seaside:200000:65536\n",
		"none":   "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !o.root {
		return o
	}
	copied := filepath.Join(dir, "reference")
	for _, args := range [][]string{{"cp", "-r", "../reference", copied}, {"cp", "-r", bin, filepath.Join(dir, "bin")}} {
		must(t, exec.Command(args[0], args[1:]...))
	}
	o.warm(t)
	must(t, exec.Command("chmod", "755", dir))
	return o
}

// warm builds the driver as root, whose build cache is warm, and gives it away.
func (o *ordinary) warm(t *testing.T) {
	t.Helper()
	warm := exec.Command(filepath.Join(bin, "moulinette"), "grade", filepath.Join(o.dir, "reference"), "--only", "pid.child_is_init")
	warm.Env = cachedIn(t, filepath.Join(o.dir, "cache"))
	must(t, warm)
	must(t, exec.Command("chown", "-R", fmt.Sprint(ordinaryID), o.dir))
}

func must(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

// grade grades the reference as the ordinary user, with the given table of
// subordinate ids.
func (o *ordinary) grade(t *testing.T, spec, subids string) (sheet, int) {
	t.Helper()
	cmd := o.command(t.Context(), subids, "grade", "./reference", "--spec", spec, "--format", "json")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var s sheet
	if jerr := json.Unmarshal([]byte(stdout.String()), &s); jerr != nil {
		t.Fatalf("no report: %v, %v\n%s", jerr, err, stderr.String())
	}
	return s, cmd.ProcessState.ExitCode()
}

// command is one of moulinette's, in the ordinary user's folder.
func (o *ordinary) command(ctx context.Context, subids string, args ...string) *exec.Cmd {
	script := `set -e
mount -n --bind "$D/passwd" /etc/passwd
mount -n --bind "$D/$SUBIDS" /etc/subuid
mount -n --bind "$D/$SUBIDS" /etc/subgid
for helper in newuidmap newgidmap; do
	test -z "$HELPERS" || mount -n --bind "$D/$HELPERS" "$(command -v $helper)"
done
cd "$D"
exec setpriv --reuid=$ID --regid=$ID --clear-groups sh -c "${AROUND:-exec \"\$@\"}" sh "$D/bin/moulinette" "$@"`
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
	cmd.Env = append(os.Environ(), "D="+o.dir, "HOME="+o.dir, "XDG_CACHE_HOME="+filepath.Join(o.dir, "cache"), "ID="+fmt.Sprint(ordinaryID), "SUBIDS="+subids, "HELPERS="+o.helpers, "AROUND="+o.around)
	return cmd
}

// With subordinate ids an ordinary user judges every point.
func TestOrdinaryUserWithSubordinateIDs(t *testing.T) {
	o := newOrdinary(t)
	if !o.root {
		t.Skip("needs root, to become another user")
	}
	for _, spec := range []string{"truman_container", "ex02"} {
		s, code := o.grade(t, spec, "subids")
		if code != 0 || s.Score != 100 || s.Bonus.Earned != s.Bonus.Max || s.Unjudged != 0 {
			t.Errorf("%s: exit %d, %+v; want full marks", spec, code, s)
		}
	}
	t.Run("by mknod alone", func(t *testing.T) { byMknodAlone(t, o) })
}

// Without them no row may fail: what this host cannot show is not judged, and
// each such row says what would help.
func TestOrdinaryUserWithItsOwnIDAlone(t *testing.T) {
	o := newOrdinary(t)
	if !o.root {
		t.Skip("needs root, to become another user")
	}
	for _, spec := range []string{"truman_container", "ex02"} {
		unjudged(t, o, spec, "none")
	}
	t.Run("report where it may not write", func(t *testing.T) {
		cmd := o.command(t.Context(), "none", "grade", "./reference", "--report", "json=/report.json")
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "write in /: permission denied") {
			t.Errorf("%v\n%s\nwant exit code 2, before anything is done", err, out)
		}
	})
}

// Subordinate ids are of no use without the programs that map them, or where these
// cannot gain the privilege that it takes.
func TestOrdinaryUserWithoutHelpers(t *testing.T) {
	helper, err := exec.LookPath("newuidmap")
	if err != nil {
		t.Skip("there are none here")
	}
	o := newOrdinary(t)
	if !o.root {
		t.Skip("needs root, to become another user")
	}
	must(t, exec.Command("cp", "--no-preserve=mode", helper, filepath.Join(o.dir, "powerless")))
	must(t, exec.Command("chmod", "755", filepath.Join(o.dir, "powerless")))
	for _, o.helpers = range []string{"none", "powerless"} {
		t.Run(o.helpers, func(t *testing.T) { unjudged(t, o, "truman_container", "subids") })
	}
}

// Another program of the user's may have filled its queue of signals.
func TestOrdinaryUserWithoutSignals(t *testing.T) {
	o := newOrdinary(t)
	if !o.root {
		t.Skip("needs root, to become another user")
	}
	o.around = `
ulimit -c 0
exec prlimit --sigpending=1024 sh -c '
env --block-signal=34 sleep 600 &
until grep -q "^SigBlk:.*2" /proc/$!/status; do :; done
for i in $(seq 1100); do kill -34 $!; done
"$@"
code=$?
kill -9 $!
exit $code' sh "$@"`
	for _, subids := range []string{"subids", "none"} {
		cmd := o.command(t.Context(), subids, "grade", "./reference", "--only", "pid_isolation")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", subids, err, out)
		}
	}
}

// unjudged wants what this user's host cannot show not judged, and nothing failed.
func unjudged(t *testing.T, o *ordinary, spec, subids string) {
	t.Helper()
	s, code := o.grade(t, spec, subids)
	if len(s.Faults) > 0 || s.Score+s.Unjudged != 100 || s.Unjudged == 0 || (code != 0 && code != 3) {
		t.Errorf("%s: exit %d, %+v; want every point earned or unjudged", spec, code, s)
	}
	for _, r := range s.Rows {
		if r.Verdict == "fail" || r.Verdict == "not_judged" && r.Reason == "" {
			t.Errorf("%s: row %s: %s %q", spec, r.ID, r.Verdict, r.Reason)
		}
	}
	t.Logf("%s: %d earned, %d not judged", spec, s.Score, s.Unjudged)
}
