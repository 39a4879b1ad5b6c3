package fingerprint

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// abstractSockets are those that we hold, or who descends from us, and those that
// nobody holds: one can outlive its maker on its way to somebody else. What the
// machine's services and sessions hold is theirs, and comes and goes. Who is not
// root does not see what others hold, and so not what nobody does.
func abstractSockets(facts map[string]string) error {
	before, err := namedSockets()
	if err != nil {
		return err
	}
	table, err := readProcesses()
	if err != nil {
		return err
	}
	ours, theirs := map[string]bool{}, map[string]bool{}
	for pid, of := range table {
		held := theirs
		if pid == os.Getpid() || of.descendsFrom(os.Getpid(), table) {
			held = ours
		}
		noteSockets(pid, held)
	}
	after, err := namedSockets() // one that has gone meanwhile may have been anybody's
	for name, inode := range before {
		nobodys := os.Geteuid() == 0 && !theirs[inode]
		if after[name] == inode && (ours[inode] || nobodys) {
			facts["socket "+name] = "there"
		}
	}
	return err
}

// namedSockets are the inodes of this network namespace's abstract sockets.
func namedSockets() (map[string]string, error) {
	text, err := os.ReadFile("/proc/net/unix")
	inodes := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 8 && fields[7][0] == '@' {
			inodes[fields[7]] = fields[6]
		}
	}
	return inodes, err
}

// noteSockets notes the inodes of the sockets that a process holds, as far as we may see.
func noteSockets(pid int, held map[string]bool) {
	descriptors, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
	for _, d := range descriptors {
		target, err := os.Readlink(d)
		var inode int
		if _, no := fmt.Sscanf(target, "socket:[%d]", &inode); err == nil && no == nil {
			held[strconv.Itoa(inode)] = true
		}
	}
}
