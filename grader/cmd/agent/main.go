// Command agent is one small static binary with several faces, told apart by
// the name it is called by: the agent beside the box, the probe inside, the jail in
// which compilers run, and the init of a virtual machine.
package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"moulinette/grader/agent"
	"moulinette/grader/box"
	"moulinette/grader/build/jail"
	"moulinette/grader/probe"
	"moulinette/grader/sandbox/vm/guest"
	"moulinette/grader/scenario"
)

// init keeps the main goroutine on the main thread, which only an init function
// can: /proc/self speaks of that thread.
func init() { runtime.LockOSThread() }

func main() {
	switch filepath.Base(os.Args[0]) {
	case box.FaceProc:
		os.Exit(box.ProcMain())
	case jail.Face:
		os.Exit(jail.Main(os.Args))
	case guest.FaceNothing:
		return
	case guest.Face:
		if os.Getpid() == 1 {
			_ = agent.Slacken() // on this thread, which starts the agent; it only saves time
			guest.Main()
		}
	case filepath.Base(scenario.ProbePath), filepath.Base(scenario.TargetPath):
		os.Exit(probe.Main(os.Args))
	}
	unix.Umask(0o022) // no verdict depends on whose shell it was
	// Not from here: each switch between a goroutine that is locked to its thread
	// and another is one between threads.
	served := make(chan error)
	go func() { served <- serve() }()
	if err := <-served; err != nil {
		fmt.Fprintln(os.Stderr, "moulinette-agent:", err)
		os.Exit(1)
	}
}

// keepDescriptors keeps what whoever started the grader had left open from the
// submission.
func keepDescriptors() {
	if unix.CloseRange(agent.ConnFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	for fd := agent.ConnFD; fd < 1024; fd++ { // before Linux 5.11
		unix.CloseOnExec(fd)
	}
}

// Who executes the probe by another name than its own meets with the agent.
const byHand = `this program is started by moulinette, and not by hand. If your code was to execute it as a command: its argv was %[1]q, and argv[0] is the command's own name.
Ce programme est lancé par la moulinette, et non à la main. Si votre code devait l'exécuter comme commande : son argv était %[1]q, et argv[0] est le nom de la commande`

// serve talks to the grader on the connection it has handed over.
func serve() error {
	if err := agent.BecomeRoot(os.Getenv(agent.MapsPending), os.Environ()); err != nil {
		return err
	}
	keepDescriptors()
	// A socket, or in a guest a virtio port.
	conn := os.NewFile(agent.ConnFD, "grader")
	// Where nobody has handed one over, Go's runtime may keep a file of its own there.
	if info, err := conn.Stat(); err != nil || info.Mode().IsRegular() {
		return fmt.Errorf(byHand, os.Args)
	}
	defer conn.Close()
	return agent.Serve(conn)
}
