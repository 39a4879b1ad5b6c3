package probe

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// What a filter answers arrives as what it is: an errno, or the signal that kills
// any ordinary program.
func TestPerformUnderFilter(t *testing.T) {
	for _, test := range []struct {
		action uint32
		want   scenario.ActResult
	}{
		{unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM), scenario.ActResult{Errno: "EPERM"}},
		{unix.SECCOMP_RET_TRAP, scenario.ActResult{Signal: int(unix.SIGSYS)}},
		{unix.SECCOMP_RET_KILL_PROCESS, scenario.ActResult{Signal: int(unix.SIGSYS)}},
		{unix.SECCOMP_RET_ALLOW, scenario.ActResult{OK: true}},
	} {
		got := underFilter(t, test.action, scenario.Act{Do: "syscall", Text: "sched_yield"})
		if got != test.want {
			t.Errorf("action %#x: got %+v; want %+v", test.action, got, test.want)
		}
	}
}

// underFilter performs an act on a thread where sched_yield(2) gets the action. The
// thread ends with it.
func underFilter(t *testing.T, action uint32, a scenario.Act) scenario.ActResult {
	t.Helper()
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_SCHED_YIELD},
		{Code: unix.BPF_RET | unix.BPF_K, K: action},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	results := make(chan scenario.ActResult, 1)
	errs := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		if err == nil {
			err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
		}
		if err != nil {
			errs <- err
			return
		}
		results <- perform(a)
	}()
	select {
	case err := <-errs:
		t.Fatal(err)
		return scenario.ActResult{}
	case r := <-results:
		return r
	}
}

// dieVariable names the signal by which this program is to die.
const dieVariable = "MOULINETTE_TEST_DIE"

// Whoever dies by a signal dies by this one, also where the runtime has a handler.
func TestDie(t *testing.T) {
	if text, ok := os.LookupEnv(dieVariable); ok {
		signal, err := strconv.Atoi(text)
		t.Fatal(err, perform(scenario.Act{Do: "die", Signal: signal}))
	}
	for _, signal := range []syscall.Signal{1, 3, 6, 7, 9, 11, 15, 31} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDie$")
		cmd.Env = append(os.Environ(), dieVariable+"="+strconv.Itoa(int(signal)))
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.Sys().(syscall.WaitStatus); got.Signal() != signal {
			t.Errorf("%v: got status %#x: %s", signal, got, out)
		}
	}
}
