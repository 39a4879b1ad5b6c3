package driver

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"syscall"

	"moulinette/grader/contract"
	"moulinette/grader/scenario"
)

// maxText bounds each text of a reply.
const maxText = 4096

// faultError is what goes wrong in the shim itself: the call was not made.
type faultError struct{ text string }

func (e *faultError) Error() string { return e.text }

func fault(format string, args ...any) error {
	return &faultError{text: fmt.Sprintf(format, args...)}
}

// guard runs a call of the submission and fills the reply with what came of it.
func guard(reply *scenario.Reply, call func() error) {
	defer func() {
		if p := recover(); p != nil {
			reply.Failed, reply.Panic = true, panicText(p)
		}
	}()
	settle(reply, call())
}

// settle tells of err in the reply. err.Error is the submission's code as well.
func settle(reply *scenario.Reply, err error) {
	if err == nil {
		return
	}
	reply.Failed = true
	if own, ok := errors.AsType[*faultError](err); ok {
		reply.Fault = bounded(own.text)
		return
	}
	reply.Missing = errors.Is(err, contract.ErrNotImplemented)
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		reply.Errno = scenario.ErrnoName(int(errno))
	}
	reply.Error = bounded(err.Error())
}

// panicText is the value and the stack from the panic down to the shim.
func panicText(value any) string {
	stack := string(debug.Stack())
	if _, below, ok := strings.Cut(stack, "\npanic("); ok {
		if _, frames, ok := strings.Cut(below, "\n\t"); ok {
			if _, rest, ok := strings.Cut(frames, "\n"); ok {
				stack = rest
			}
		}
	}
	for _, ours := range []string{"guard", "build"} {
		stack, _, _ = strings.Cut(stack, "\nmoulinette/grader/driver."+ours+"(")
	}
	return bounded(bounded(fmt.Sprint(value)) + "\n" + stack)
}

func bounded(text string) string {
	if len(text) > maxText {
		text = text[:maxText-3] + "..."
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
