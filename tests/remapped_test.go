package tests

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// remapped has the ordinary user's command run by the root of a user namespace, as in
// rootless containers, under userns-remap, and in pods with user namespaces: root of
// these ids alone, the user's own first.
func (o *ordinary) remapped(t *testing.T, ids int, args ...string) *exec.Cmd {
	t.Helper()
	script := `mount -n -t proc proc /proc && mount -n -t sysfs sysfs /sys && cd "$D" && exec "$D/bin/moulinette" "$@"`
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.Env = append(os.Environ(), "D="+o.dir, "HOME="+o.dir, "XDG_CACHE_HOME="+filepath.Join(o.dir, "cache"))
	maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: ordinaryID, Size: 1}}
	if ids > 1 {
		maps = append(maps, syscall.SysProcIDMap{ContainerID: 1, HostID: 300000, Size: ids - 1})
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Unshareflags: syscall.CLONE_NEWNS,
		UidMappings:  maps, GidMappings: maps, GidMappingsEnableSetgroups: true,
		Credential: &syscall.Credential{},
		Pdeathsig:  syscall.SIGKILL,
	}
	return cmd
}

// Root of a user namespace has not the ids that root of the host has. With a
// range of them it judges every point; with one, nothing is held against the submission.
func TestRootOfAUserNamespace(t *testing.T) {
	o := newOrdinary(t)
	if !o.root {
		t.Skip("needs root, to map ids")
	}
	for _, test := range []struct {
		name, kind string
		ids        int
		rows       []string
	}{
		{"a range", "subordinate", 65536, []string{"pid_isolation", "mount_slave", "uid_mapping", "full_integration"}},
		{"one id", "1", 1, []string{"pid_isolation", "uid_mapping"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := o.remapped(t, test.ids, "doctor", "--lang", "en").CombinedOutput()
			if err != nil || !strings.Contains(string(out), " "+test.kind) || strings.Contains(string(out), "run the moulinette as root") {
				t.Errorf("doctor: %v\n%s\nwant ids: %s, and nobody sent where he is", err, out, test.kind)
			}
			args := []string{"grade", "./reference", "--isolation", "ns", "--format", "json"}
			for _, row := range test.rows {
				args = append(args, "--only", row)
			}
			cmd := o.remapped(t, test.ids, args...)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			text, err := cmd.Output()
			var s sheet
			if jerr := json.Unmarshal(text, &s); jerr != nil {
				t.Fatalf("no report: %v, %v\n%s", jerr, err, stderr.String())
			}
			if len(s.Faults) > 0 || test.ids > 1 && s.Unjudged > 0 {
				t.Errorf("got %+v; want no faults, and every point judged where there are ids", s)
			}
			for _, r := range s.Rows {
				if r.Verdict == "fail" {
					t.Errorf("row %s failed: %s", r.ID, r.Reason)
				}
			}
		})
	}
}

// Root of a container lacks capabilities. It is told so before anything is graded, and
// which the container has to be given.
func TestRootWithoutCapabilities(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to lose some of it")
	}
	for _, lost := range []string{"sys_admin", "sys_ptrace"} {
		run := func(args ...string) (string, int) {
			args = append([]string{"--bounding-set=-" + lost, "--inh-caps=-" + lost, filepath.Join(bin, "moulinette")}, args...)
			cmd := exec.CommandContext(t.Context(), "setpriv", args...)
			out, _ := cmd.CombinedOutput()
			return strings.Join(strings.Fields(string(out)), " "), cmd.ProcessState.ExitCode()
		}
		if out, code := run("grade", "../reference", "--isolation", "ns", "--only", "pid_isolation"); code != 3 || !strings.Contains(out, "cannot open a box") || strings.Contains(out, "HARNESS FAULT") {
			t.Errorf("%s: exit code %d\n%s\nwant 3, and one sentence", lost, code, out)
		}
		if out, _ := run("doctor", "--lang", "en"); !strings.Contains(out, "--cap-add SYS_ADMIN --cap-add SYS_PTRACE --security-opt seccomp=unconfined") {
			t.Errorf("%s: %s\nwant the flags that cure it", lost, out)
		}
	}
}
