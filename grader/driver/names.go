package driver

import (
	"cmp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"moulinette/grader/scenario"
)

// capabilityNames are in the order of their numbers; see capabilities(7).
const capabilityNames = `chown dac_override dac_read_search fowner fsetid kill setgid setuid
setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner
sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource
sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin
syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`

func capabilityMask(names []string) (mask uint64, err error) {
	known := strings.Fields(capabilityNames)
	for _, name := range names {
		bit := slices.Index(known, strings.TrimPrefix(strings.ToLower(name), "cap_"))
		if bit < 0 {
			return 0, fault("unknown capability %q", name)
		}
		mask |= 1 << bit
	}
	return mask, nil
}

// allCapabilities are those that this kernel has.
func allCapabilities() (all []uintptr) {
	for n := range uintptr(64) {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, n, 0, 0, 0); err != nil {
			break
		}
		all = append(all, n)
	}
	return all
}

// inheritAll makes what the thread is permitted inheritable and ambient.
func inheritAll() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var halves [2]unix.CapUserData
	if err := unix.Capget(&header, &halves[0]); err != nil {
		return err
	}
	for i := range halves {
		halves[i].Inheritable = halves[i].Permitted
	}
	if err := unix.Capset(&header, &halves[0]); err != nil {
		return err
	}
	for _, n := range allCapabilities() {
		if halves[n/32].Permitted&(1<<(n%32)) == 0 {
			continue
		}
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, n, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// allowedNumbers are the system calls of a step: those it names, or all but
// those it names. A name of another architecture is passed over.
func allowedNumbers(a *scenario.Args) ([]int, error) {
	native, err := syscallNumbers(runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Concat(a.Allowed, a.AllowedAllBut) {
		if !knownSyscall(name) {
			return nil, fault("unknown system call %q", name)
		}
	}
	var numbers []int
	for name, number := range native {
		if slices.Contains(a.Allowed, name) || a.AllowedAllBut != nil && !slices.Contains(a.AllowedAllBut, name) {
			numbers = append(numbers, number)
		}
	}
	// The even ones first: the contract promises no order.
	slices.SortFunc(numbers, func(a, b int) int { return cmp.Or(a%2-b%2, a-b) })
	return numbers, nil
}

func knownSyscall(name string) bool {
	return slices.Contains(strings.Fields(amd64Names), name) || slices.Contains(strings.Fields(arm64Names), name)
}

// syscallNumbers reads the table of an architecture.
func syscallNumbers(arch string) (map[string]int, error) {
	table, ok := map[string]string{"amd64": amd64Names, "arm64": arm64Names}[arch]
	if !ok {
		return nil, fault("no table of system calls for %s", arch)
	}
	numbers, next := map[string]int{}, 0
	for word := range strings.FieldsSeq(table) {
		if jump, ok := strings.CutPrefix(word, "="); ok {
			n, err := strconv.Atoi(jump)
			if err != nil {
				return nil, fault("table of system calls: %v", err)
			}
			next = n
			continue
		}
		numbers[word] = next
		next++
	}
	return numbers, nil
}
