package observe

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

func TestFiles(t *testing.T) {
	b := newBox(t)
	d := b.driver
	d.do("mkdir", "/mnt/d/sub")
	d.do("write", "/mnt/d/b", "truman")
	d.do("write", "/mnt/d/a", strings.Repeat("x", 5000))
	d.do("mkfifo", "/mnt/fifo")
	d.do("symlink", "/mnt/d/b", "/mnt/absolute")
	d.do("symlink", "/mnt/d", "/mnt/through")
	d.do("symlink", "loop2", "/mnt/loop1")
	d.do("symlink", "loop1", "/mnt/loop2")
	d.do("symlink", "/proc/self/root", "/mnt/magic")
	file := evidence.File{Exists: true, Type: "file", Mode: 0o640, Content: "truman", Entries: []string{}}
	none := evidence.File{Entries: []string{}}
	long := strings.Repeat("/..", 5000)
	want := map[string]evidence.File{
		"/mnt/d/b":                     file,
		"/mnt/through/b":               file,
		"/../../../../mnt/d/b":         file,
		"mnt/d/b":                      file,
		"/mnt/d":                       {Exists: true, Type: "dir", Mode: 0o755, Entries: []string{"a", "b", "sub"}},
		"/mnt/d/sub":                   {Exists: true, Type: "dir", Mode: 0o755, Entries: []string{}},
		"/mnt/absolute":                {Exists: true, Type: "link", Mode: 0o777, Link: "/mnt/d/b", Entries: []string{}},
		"/mnt/fifo":                    {Exists: true, Type: "fifo", Mode: 0o600, Entries: []string{}},
		"/mnt/loop1/x":                 none,
		"/mnt/magic/mnt/d/b":           none,
		"/proc/1/root/mnt/d/b":         none,
		"/proc/version":                {Exists: true, Type: "file", Mode: 0o444, Entries: []string{}},
		"/mnt/nothing":                 none,
		"/mnt/d/b/x":                   none,
		"":                             none,
		"\x00":                         none,
		long:                           none,
		"/" + strings.Repeat("y", 300): none,
	}
	cpus, err := os.ReadFile("/sys/devices/system/cpu/possible") // anybody may
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{"/mnt/d/a", "/mnt/loop1", "/dev/null", "/sys/devices/system/cpu/possible"}
	for path := range want {
		paths = append(paths, path)
	}
	got := b.snapshot(paths...).Files
	for path, w := range want {
		if diff := cmp.Diff(got[path], w); diff != "" {
			t.Errorf("%.40q: got - want +\n%s", path, diff)
		}
	}
	equal(t, "content", got["/mnt/d/a"].Content, strings.Repeat("x", 4096))
	equal(t, "sysfs", got["/sys/devices/system/cpu/possible"].Content, string(cpus))
	equal(t, "loop", got["/mnt/loop1"].Link, "loop2")
	null := got["/dev/null"]
	equal(t, "null", null.Type, "char")
	equal(t, "null major:minor", [2]int{null.Major, null.Minor}, [2]int{1, 3})
}

// TestFilesInRoot looks from where the process stands: absolute links are
// taken in its root, whatever lies at that path in ours.
func TestFilesInRoot(t *testing.T) {
	b := newBox(t)
	d := b.driver
	d.do("mkdir", "/mnt/rr/etc")
	d.do("write", "/mnt/rr/etc/passwd", "painted sky")
	d.do("symlink", "/etc/passwd", "/mnt/rr/leak")
	d.do("symlink", "/etc", "/mnt/rr/dir")
	d.do("symlink", "../../../../../../etc", "/mnt/rr/up")
	chrooted := d.spawn("chrooted", 0, "")
	chrooted.do("chroot", "/mnt/rr")
	pivoted := d.spawn("pivoted", unix.CLONE_NEWNS, "")
	pivoted.do("mount", "", "/", "", flag(unix.MS_REC|unix.MS_PRIVATE))
	pivoted.do("pivot", "/mnt/rr")
	for _, a := range []*actor{chrooted, pivoted} {
		files := b.o.Files(a.pid, []string{"/etc/passwd", "/dir/passwd", "/up/passwd", "/leak", "/../etc/passwd"})
		for _, path := range []string{"/etc/passwd", "/dir/passwd", "/up/passwd", "/../etc/passwd"} {
			equal(t, a.name+": "+path, files[path].Content, "painted sky")
		}
		equal(t, a.name+": /leak", files["/leak"].Link, "/etc/passwd")
	}
}

// A driver that was killed leaves what it had mounted, if it is held before.
func TestFilesOfTheDead(t *testing.T) {
	for _, kept := range []bool{false, true} {
		b := newBox(t)
		b.driver.do("mkdir", "/mnt/t")
		b.driver.do("mount", "tmpfs", "/mnt/t", "tmpfs", "0")
		b.driver.do("write", "/mnt/t/note", "storm")
		if kept {
			b.o.KeepRoot()
			b.o.KeepRoot() // the last one counts
		}
		must(t, unix.Kill(b.driver.pid, unix.SIGKILL))
		b.init.do("reap", "driver")
		want := map[bool]string{true: "storm"}[kept]
		equal(t, "after its death", b.snapshot("/mnt/t/note").Files["/mnt/t/note"].Content, want)
	}
}

func TestManyEntries(t *testing.T) {
	b := newBox(t)
	b.driver.do("mkdir", "/mnt/many")
	for i := range maxEntries + 10 {
		b.driver.do("write", "/mnt/many/"+flag(i), "")
	}
	equal(t, "entries", len(b.snapshot("/mnt/many").Files["/mnt/many"].Entries), maxEntries)
}
