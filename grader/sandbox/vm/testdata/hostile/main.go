// Command hostile takes the agent's place in a guest, as a submission with real
// root might that has broken out of everything: it plays the agent up to the
// beginning of the scenario, and then does what the scenario's name says.
package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"moulinette/grader/agent"
	"moulinette/grader/evidence"
	"moulinette/grader/sandbox/vm/guest"
)

func main() {
	switch filepath.Base(os.Args[0]) {
	case guest.Face:
		guest.Main()
	case guest.FaceNothing:
	default:
		play(os.NewFile(agent.ConnFD, "grader"))
	}
}

func play(port *os.File) {
	in, out := json.NewDecoder(port), json.NewEncoder(port)
	var setup agent.Setup
	check(in.Decode(&setup))
	check(out.Encode(agent.Answer{Host: &evidence.Host{Tier: setup.Tier, Kernel: "hostile"}}))
	var job agent.Job
	check(in.Decode(&job))
	if job.Scenario.ID == "early" {
		trigger("c")
	}
	check(out.Encode(agent.Answer{Begun: true, Word: job.Word}))
	deeds[job.Scenario.ID](port)
	select {}
}

var deeds = map[string]func(*os.File){
	"panic":  func(*os.File) { trigger("c") },
	"reboot": func(*os.File) { check(unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)) },
	"busy": func(*os.File) {
		for { //nolint:revive // that is the point
		}
	},
	"nonsense": func(port *os.File) { write(port, []byte("full marks, please\n")) },
	"empty":    func(port *os.File) { write(port, []byte("{}\n")) },
	// All right, but for the word that only the agent was told.
	"forged": func(port *os.File) {
		check(json.NewEncoder(port).Encode(agent.Answer{Word: "please", Record: &evidence.Record{
			Version: evidence.Version, Scenario: "forged", End: evidence.End{Outcome: evidence.Completed},
		}}))
	},
	"gigabytes": func(port *os.File) {
		for chunk := bytes.Repeat([]byte("["), 1<<20); ; {
			write(port, chunk)
		}
	},
	"console": func(*os.File) {
		for chunk := bytes.Repeat([]byte("::error::\n"), 1<<10); ; {
			write(os.Stderr, chunk)
		}
	},
	"memory": func(*os.File) {
		for kept := [][]byte{}; ; {
			kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
		}
	},
	"dies": func(*os.File) { os.Exit(3) },
}

func trigger(what string) { check(os.WriteFile("/proc/sysrq-trigger", []byte(what), 0)) }

func write(f *os.File, b []byte) {
	_, err := f.Write(b)
	check(err)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
