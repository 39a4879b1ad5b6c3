package image

import (
	"bufio"
	_ "embed" // of shell.sh
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ShellCommand is what to add to the kernel's command line to get a shell. Its
// words of the form K=V are the shell's environment.
const ShellCommand = "console=ttyS0 quiet panic=-1 rdinit=/shell"

// ShellPrompt is what the shell says when it listens.
const ShellPrompt = "/root # "

//go:embed shell.sh
var shellScript []byte

// maxCarried bounds a file that is taken into a shell.
const maxCarried = 256 << 20

// WriteShell writes a first file system that ends in a shell on the console,
// instead of the agent: the image's own, and behind it busybox and files to look
// at in /root.
func (i *Image) WriteShell(w io.Writer, busybox string, files []string) error {
	base, err := os.Open(i.Initrd)
	if err != nil {
		return fmt.Errorf("shell: %w", err)
	}
	defer base.Close()
	tools, err := readStatic(busybox, text{"apt install busybox-static", "apt install busybox-static"})
	if err != nil {
		return fmt.Errorf("shell: %w", err)
	}
	if _, err := io.Copy(w, base); err != nil {
		return fmt.Errorf("shell: %w", err)
	}
	a := &archive{w: bufio.NewWriter(w)}
	a.add("bin", modeDir, nil)
	a.add("bin/busybox", modeProgram, tools)
	a.add("shell", modeProgram, shellScript)
	a.add("root", modeDir, nil)
	for _, file := range files {
		data, err := readFile(file, maxCarried)
		if err != nil {
			return fmt.Errorf("shell: %w", err)
		}
		a.add("root/"+filepath.Base(file), modeProgram, data)
	}
	return a.close()
}
