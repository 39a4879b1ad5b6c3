// Package vm is the sandbox made of virtual machines: each scenario runs in a
// machine of its own, restored from a snapshot in less time than a boot takes,
// and thrown away, unless machines are reused. It needs QEMU, and neither root nor KVM.
//
// Three layers make a machine. The base is a guest that has booted and whose
// agent waits; it is made once and kept on disk. On it a layer is made for each
// driver, in memory: the driver is put in and the agent set up for it, but
// nothing of the submission runs. Each scenario then gets a clone of the layer,
// whose memory is a private copy on write; with [Options.Reuse], several do. In
// the guest the agent works as it does on a host, so scenarios and records are
// the same.
package vm

import (
	"moulinette/grader/evidence"
	"moulinette/grader/sandbox/vm/image"
)

// Tier is what records of this sandbox call it.
const Tier = "vm"

// Options say how machines are made.
type Options struct {
	Agent  string // path of the agent's executable, which is also the guest's init
	Cache  string // our folder, made if missing
	Kernel string // file; empty: found or fetched, see package image
	// KernelSHA256 is what Kernel has to be; empty: anything.
	KernelSHA256 string
	Modules      string // folder of its modules; empty: derived
	QEMU         string // executable; empty: found in PATH
	Accel        Accel  // empty: KVM where it has proved itself, else emulation
	// Streamed keeps a machine's memory in its state instead of apart: what is
	// done in any case where QEMU cannot keep it apart. It is slower.
	Streamed bool
	// Reuse lets a machine serve one scenario after another of its driver, each
	// in a box of its own, until something goes wrong in one. Code that is
	// translated stays so: it is several times faster. Scenarios of real root get
	// a machine of their own in any case.
	Reuse bool
}

// Image says what machines boot.
func (o Options) Image() image.Options {
	return image.Options{Kernel: o.Kernel, SHA256: o.KernelSHA256, Modules: o.Modules, Cache: o.Cache, Agent: o.Agent}
}

// Accel says who executes the guest.
type Accel string

// Accelerators.
const (
	TCG Accel = "tcg" // QEMU emulates
	KVM Accel = "kvm" // the processor does
)

// memoryMiB is a guest's memory. What is not used costs nothing; a box's own
// limit has to fit in beside kernel and agent, or the machine would be exhausted
// before the box.
const memoryMiB = 768

// cmdline is the kernel's. Words that it does not know would become arguments of
// /init; none are. A kernel in trouble ends the machine at once. Huge pages would
// be cleared whole for each small process, in memory that the host then has to
// copy: a quarter of a scenario. Debian's kernel also clears all that it takes for
// itself (init_on_alloc): a tenth.
const cmdline = "console=ttyS0 quiet transparent_hugepage=never init_on_alloc=0 panic=-1 oops=panic tsc=reliable mitigations=off random.trust_cpu=off"

// facts are what the host can tell of a base, and keeps with it.
type facts struct {
	Host evidence.Host `json:"host"`
	// Apart says that the memory is in a file of its own.
	Apart bool   `json:"apart"`
	Boot  string `json:"boot"` // of the host, with which its use ends
}
