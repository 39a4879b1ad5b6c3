package puppet

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// arena is how much memory Go's heap takes at a time, aligned to as much
	// (runtime/malloc.go, heapArenaBytes, on 64-bit Linux).
	arena = 64 << 20
	// stackRoom is what a puppet needs of its stack, and much more.
	stackRoom = 16 << 10
	page      = 4 << 10
)

// shed lets go of Go's heap but for the stack that is in it: every clone of the
// puppet would copy the page tables of it all, and take them down again.
func (p *Program) shed(stack uintptr) {
	begin := stack &^ (arena - 1)
	from, to := (stack-stackRoom)&^(page-1), (stack+stackRoom)&^(page-1)
	if from <= begin || to >= begin+arena {
		return // on the edge; it is only for speed
	}
	p.Call("let go of the heap", unix.SYS_MUNMAP, begin, from-begin)
	p.Call("let go of the heap", unix.SYS_MUNMAP, to, begin+arena-to)
}

// stack is about where the stack of the caller is. It moves when it grows.
//
//go:norace
//go:noinline
//go:nosplit
func stack() uintptr {
	var here byte
	return uintptr(unsafe.Pointer(&here))
}
