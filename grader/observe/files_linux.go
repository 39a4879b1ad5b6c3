package observe

import (
	"errors"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

const (
	maxWatched = 256
	maxContent = 4 << 10
	maxEntries = 1024
)

// Files looks paths up as the process would, from outside. The last component
// is not followed. Nothing but a regular file or a folder is ever opened.
func (o *Observer) Files(pid int, paths []string) map[string]evidence.File {
	p, err := openProc(o.root, pid)
	if err != nil {
		return o.filesOf(nil, paths)
	}
	defer p.close()
	return o.filesOf(p, paths)
}

// KeepRoot holds the driver's root, with all that is mounted below it: once the
// driver is dead, paths are looked up as it would have found them.
func (o *Observer) KeepRoot() {
	o.forgetRoot()
	o.keptRoot = o.driver.rootDir()
	if o.keptRoot >= 0 { // mounts are taken apart with their namespace
		o.keptMounts, _ = o.driver.afresh().open("ns/mnt", unix.O_RDONLY)
	}
}

func (o *Observer) forgetRoot() {
	for _, fd := range []*int{&o.keptRoot, &o.keptMounts} {
		if *fd >= 0 {
			unix.Close(*fd)
		}
		*fd = -1
	}
}

// rootDir opens a process's root, -1 if it has none any more.
func (p *proc) rootDir() int {
	fd, err := p.afresh().open("root", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1
	}
	return fd
}

// filesOf takes nil for a process that is gone, in which no path exists.
func (o *Observer) filesOf(p *proc, paths []string) map[string]evidence.File {
	root := -1
	if p != nil {
		if root = p.rootDir(); root >= 0 {
			defer unix.Close(root)
		} else if p == o.driver {
			root = o.keptRoot
		}
	}
	files := make(map[string]evidence.File, len(paths))
	for _, path := range paths[:min(len(paths), maxWatched)] {
		files[path] = evidence.File{Entries: []string{}}
		if root < 0 {
			continue
		}
		if fd, err := resolve(root, path, unix.O_PATH|unix.O_NOFOLLOW); err == nil {
			files[path] = fileOf(fd)
			unix.Close(fd)
		}
	}
	return files
}

// resolve opens a path below root: neither "..", nor an absolute link, nor a
// magic one leads out.
func resolve(root int, path string, flags uint64) (int, error) {
	how := unix.OpenHow{
		Flags:   flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(root, path, &how)
		again := errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
		if !again || tries == 16 {
			if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // no path is opened with EPERM
				err = &unableError{"openat2", err}
			}
			return fd, missed(err)
		}
	}
}

// fileOf describes what an O_PATH descriptor stands for.
func fileOf(fd int) evidence.File {
	f := evidence.File{Entries: []string{}}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return f
	}
	f.Exists = true
	f.Mode = int(st.Mode & 0o7777)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		f.Type = "file"
		if !ofKernel(fd, st.Mode) {
			content, _ := readAt(unix.AT_FDCWD, selfFD(fd), maxContent)
			f.Content = string(content)
		}
	case unix.S_IFDIR:
		f.Type = "dir"
		entries, _ := listAt(fd, ".", maxEntries)
		f.Entries = append(f.Entries, entries...)
		slices.Sort(f.Entries)
	case unix.S_IFLNK:
		f.Type = "link"
		f.Link, _ = linkAt(fd, "")
	case unix.S_IFCHR:
		f.Type, f.Major, f.Minor = "char", int(unix.Major(st.Rdev)), int(unix.Minor(st.Rdev))
	case unix.S_IFBLK:
		f.Type, f.Major, f.Minor = "block", int(unix.Major(st.Rdev)), int(unix.Minor(st.Rdev))
	case unix.S_IFIFO:
		f.Type = "fifo"
	case unix.S_IFSOCK:
		f.Type = "socket"
	}
	return f
}

// ofKernel tells of a file that the kernel makes up as it is read, for the eyes of who
// reads it: bound to where we look, the log of the kernel would be shown to a submission,
// and used up. What anybody may read in sysfs is the same for all.
func ofKernel(fd int, mode uint32) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return true
	}
	switch int64(st.Type) {
	case unix.PROC_SUPER_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC:
		return true
	case unix.SYSFS_MAGIC:
		return mode&unix.S_IROTH == 0
	}
	return false
}

// selfFD is a name for a descriptor of our own, by which an O_PATH one can be
// opened for real.
func selfFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }
