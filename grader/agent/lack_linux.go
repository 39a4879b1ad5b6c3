package agent

import (
	"errors"
	"fmt"

	"moulinette/grader/observe"
)

// lack keeps the first error for which something was not seen that there may have
// been: nothing can be held against a submission then.
type lack struct{ err error }

// lacks notes such an error, and tells whether it is one. The session is locked.
func (l *lack) lacks(err error) bool {
	_, blind := errors.AsType[*observe.BlindError](err)
	if err == nil || !blind && !observe.Short(err) {
		return false
	}
	if l.err == nil {
		l.err = err
	}
	return true
}

// lacks is the same where the session is not locked.
func (s *session) lacks(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lack.lacks(err)
}

// lacking is what the agent could not see in this scenario, nil if nothing.
func (s *session) lacking() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lack.lacks(observe.Shortage())
	if s.lack.err != nil {
		return fmt.Errorf("cannot see all of the box: %w", s.lack.err)
	}
	return s.clock.starvation()
}
