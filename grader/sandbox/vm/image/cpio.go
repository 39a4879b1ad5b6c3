package image

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Modes of entries, as stat(2) has them.
const (
	modeDir     = 0o040755
	modeProgram = 0o100755
	modeFile    = 0o100644
	modeConsole = 0o020600
)

// writeInitrd writes the guest's first file system. The kernel opens
// /dev/console for /init, which has no stderr without it.
func writeInitrd(w io.Writer, agent []byte, modules []*module) error {
	a := &archive{w: bufio.NewWriter(w)}
	a.add("dev", modeDir, nil)
	a.device("dev/console", modeConsole, 5, 1)
	a.add("init", modeProgram, agent)
	a.add("modules", modeDir, nil)
	var order strings.Builder
	for _, m := range modules {
		a.add("modules/"+m.file(), modeFile, m.data)
		fmt.Fprintln(&order, m.file())
	}
	a.add("modules/order", modeFile, []byte(order.String()))
	return a.close()
}

// archive is a cpio archive in the format "newc", which kernels unpack. The same
// entries make the same bytes.
type archive struct {
	w      *bufio.Writer // keeps its first error
	inode  int
	offset int
}

func (a *archive) add(name string, mode int, data []byte) { a.entry(name, mode, [2]int{}, data) }

func (a *archive) device(name string, mode, major, minor int) {
	a.entry(name, mode, [2]int{major, minor}, nil)
}

// entry writes a header of fourteen fields in hexadecimal, the name and the data,
// padded to words.
func (a *archive) entry(name string, mode int, device [2]int, data []byte) {
	a.inode++
	const root, links, time, folder, check = 0, 1, 0, 0, 0
	a.print("070701")
	for _, field := range []int{
		a.inode, mode, root, root, links, time, len(data),
		folder, folder, device[0], device[1], len(name) + 1, check,
	} {
		a.print(fmt.Sprintf("%08x", field))
	}
	a.print(name + "\x00")
	a.pad()
	n, _ := a.w.Write(data)
	a.offset += n
	a.pad()
}

func (a *archive) print(text string) {
	n, _ := a.w.WriteString(text)
	a.offset += n
}

func (a *archive) pad() { a.print("\x00\x00\x00"[:-a.offset&3]) }

func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, [2]int{}, nil)
	return a.w.Flush()
}
