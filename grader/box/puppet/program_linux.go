package puppet

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Program is a list of system calls, one after the other; the first that fails
// is the last. What their arguments point to is in it. It can be played by any
// puppet of this process, and more than once.
type Program struct {
	names []string
	calls []call
	data  []byte
	links []link
	peek  Ref // place in data of what Play returns, none without
}

// call is a system call as a puppet's memory holds it.
type call struct {
	nr      uintptr
	args    [6]uintptr
	into    [4]uint32 // where in memory the low half of the result goes; 0 is nowhere
	least   int32     // less is an error
	allowed uint32    // an errno that is none
	child   uint32    // so many calls that follow are for the child of this one
	told    int32     // where the child tells how it went
}

// Ref is a place in a program's data.
type Ref int

// none is no place.
const none Ref = -1

// link is an address that only an encoded program can have: of a place in data,
// and to be put either into an argument or into another place.
type link struct {
	call, arg int // call is -1 for a place
	at, to    Ref
}

// Step is one call of a program, to say more about it.
type Step struct {
	p *Program
	i int
}

// NewProgram gives a program without calls.
func NewProgram() *Program { return &Program{peek: none} }

// Call adds a system call. An argument is a number, a place in the data, or a
// string (which is ended by a zero) or bytes, of which the call gets the
// address. The name is for the error.
func (p *Program) Call(name string, nr uintptr, args ...any) Step {
	i := len(p.calls)
	c := call{nr: nr}
	for arg, a := range args {
		number, ref := p.value(a)
		c.args[arg] = number
		if ref != none {
			p.links = append(p.links, link{call: i, arg: arg, to: ref})
		}
	}
	p.names, p.calls = append(p.names, name), append(p.calls, c)
	return Step{p, i}
}

// value is an argument: a number, or a place.
func (p *Program) value(a any) (uintptr, Ref) {
	switch a := a.(type) {
	case int:
		return uintptr(a), none
	case uintptr:
		return a, none
	case Ref:
		return 0, a
	case string:
		return 0, p.Bytes(append([]byte(a), 0))
	case []byte:
		return 0, p.Bytes(a)
	}
	panic(fmt.Sprintf("puppet: an argument of type %T", a))
}

// Bytes puts bytes into the data, as aligned as a word.
func (p *Program) Bytes(b []byte) Ref {
	at := Ref(len(p.data))
	p.data = append(append(p.data, b...), make([]byte, -len(b)&7)...)
	return at
}

// Words puts a word of 64 bits into the data for each value; see [Program.Call].
func (p *Program) Words(values ...any) Ref {
	words := make([]byte, 0, 8*len(values))
	var links []link
	for i, v := range values {
		number, ref := p.value(v)
		words = binary.NativeEndian.AppendUint64(words, uint64(number))
		if ref != none {
			links = append(links, link{call: -1, at: Ref(8 * i), to: ref})
		}
	}
	begin := p.Bytes(words)
	for _, l := range links {
		l.at += begin
		p.links = append(p.links, l)
	}
	return begin
}

// Returns says what [Puppet.Play] returns: the 32 bits that are at a place in
// the data in the end.
func (p *Program) Returns(at Ref) { p.peek = at }

// Allow says which error is none.
func (s Step) Allow(e unix.Errno) Step { s.p.calls[s.i].allowed = uint32(e); return s }

// Least says that a smaller result is an error: EPIPE.
func (s Step) Least(n int) Step { s.p.calls[s.i].least = int32(n); return s }

// Keep puts the result, 32 bits of it, at a place in the data.
func (s Step) Keep(at Ref) Step { return s.into(uint32(at) | inData) }

// Feed makes the result an argument of another step.
func (s Step) Feed(to Step, arg int) Step {
	return s.into(uint32(orderAt + headerSize + to.i*callSize + argsAt + 8*arg))
}

// Watch says that the step is a clone whose child's end is news.
func (s Step) Watch() Step { return s.into(uint32(watchedAt)) }

// Signals says that the result is a signalfd(2) for SIGCHLD: the puppet reaps
// its children from now on.
func (s Step) Signals() Step { return s.into(uint32(signalsAt)) }

// inData marks an offset that is from the begin of the data, until that is known.
const inData = 1 << 31

func (s Step) into(offset uint32) Step {
	into := &s.p.calls[s.i].into
	free := slices.Index(into[:], 0) // a programmer's error if there is none
	into[free] = offset
	return s
}

// Fork says that the step is a clone, and adds what its child does. When that is
// done, or has failed, the child tells of it on the descriptor told. From then on
// it is a puppet that hears on [Control], or, if it has failed, ends.
func (s Step) Fork(told int, child func()) Step {
	begin := len(s.p.calls)
	child()
	c := &s.p.calls[s.i]
	c.child, c.told = uint32(len(s.p.calls)-begin), int32(told)
	return s
}

// encode lays the program out for puppets whose memory is at an address.
func (p *Program) encode(memory uintptr) ([]byte, error) {
	size := headerSize + len(p.calls)*callSize + len(p.data)
	if size > maxOrder {
		return nil, fmt.Errorf("a program of %d bytes: %w", size, unix.E2BIG)
	}
	dataAt := orderAt + size - len(p.data)
	calls, data := append([]call{}, p.calls...), append([]byte{}, p.data...)
	for _, l := range p.links {
		target := memory + uintptr(dataAt) + uintptr(l.to)
		if l.call >= 0 {
			calls[l.call].args[l.arg] = target
		} else {
			binary.NativeEndian.PutUint64(data[l.at:], uint64(target))
		}
	}
	peek := uint32(0)
	if p.peek != none {
		peek = uint32(dataAt) + uint32(p.peek)
	}
	text := binary.NativeEndian.AppendUint32(make([]byte, 0, size), uint32(len(calls)))
	text = binary.NativeEndian.AppendUint32(text, peek)
	for i := range calls {
		for j, offset := range calls[i].into {
			if offset&inData != 0 {
				calls[i].into[j] = offset&^inData + uint32(dataAt)
			}
		}
		text = calls[i].append(text)
	}
	return append(text, data...), nil
}

func (c *call) append(text []byte) []byte {
	e := binary.NativeEndian
	text = e.AppendUint64(text, uint64(c.nr))
	for _, a := range c.args {
		text = e.AppendUint64(text, uint64(a))
	}
	for _, n := range append(c.into[:], uint32(c.least), c.allowed, c.child, uint32(c.told)) {
		text = e.AppendUint32(text, n)
	}
	return text
}
