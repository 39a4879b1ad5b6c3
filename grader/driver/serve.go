package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"moulinette/grader/contract"
	"moulinette/grader/scenario"
)

// shim answers the agent's requests with calls of rt.
type shim struct {
	rt         contract.Runtime
	containers map[string]*container
	pids       map[string]int // targets and "bystander"
}

// serve speaks the protocol until the agent closes the channel. With a problem
// it only reports it.
func serve(rt contract.Runtime, problem string) error {
	file, err := channel()
	if err != nil {
		return err
	}
	warmUp()
	if err := send(file, &scenario.Reply{Failed: problem != "", Panic: problem}); err != nil || problem != "" {
		return err
	}
	s := &shim{rt: rt, containers: map[string]*container{}, pids: map[string]int{}}
	requests := json.NewDecoder(file)
	for {
		var req scenario.Request
		if err := requests.Decode(&req); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("request: %w", err)
		}
		if err := send(file, s.answer(&req)); err != nil {
			return err
		}
	}
}

func send(file *os.File, reply *scenario.Reply) error {
	line, err := json.Marshal(reply)
	if err != nil {
		return fmt.Errorf("reply: %w", err)
	}
	if _, err := file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("reply: %w", err)
	}
	return nil
}

// answer makes the call as often as asked, up to its first failure unless told
// otherwise, and keeps the last reply.
func (s *shim) answer(req *scenario.Request) *scenario.Reply {
	if req.Call == "world" {
		return s.world(req)
	}
	reply := s.once(req)
	failedAt := 0
	for n := 1; req.Times > 1; n++ {
		if reply.Failed && failedAt == 0 {
			failedAt = n
		}
		hopeless := reply.Failed && (!req.Anyhow || reply.Missing || reply.Panic != "")
		if n == req.Times || hopeless {
			break
		}
		reply = s.once(req)
	}
	reply.FailedAt = failedAt
	return reply
}

// once makes one call, and those that go with it.
func (s *shim) once(req *scenario.Request) *scenario.Reply {
	reply := s.one(req)
	for _, call := range req.Then {
		if reply.Failed {
			break
		}
		reply = s.one(&scenario.Request{ID: req.ID, Call: call, Args: scenario.Args{Container: req.Args.Container}})
	}
	return reply
}

// one makes one call. A submission that unlocked its thread is locked again,
// though only it can know where.
func (s *shim) one(req *scenario.Request) *scenario.Reply {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	reply := &scenario.Reply{ID: req.ID}
	call, ok := calls[req.Call]
	if !ok {
		settle(reply, fault("unknown call %q", req.Call))
		return reply
	}
	guard(reply, func() error { return call(s, req, reply) })
	return reply
}
