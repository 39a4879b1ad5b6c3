package fault

import (
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"moulinette/grader/evidence"
)

// refusal is a call that only our user namespace refused, and where its caller
// may yet find another road to the same.
type refusal struct {
	evidence.Refusal
	dir  int // the folder that a device should be in, -1 if none was wanted
	base string
	dev  uint64
}

// withheld is the outcome of what nobody can make in the caller's stead.
func (c *call) withheld(what string) outcome {
	return outcome{refusal: &refusal{Refusal: evidence.Refusal{What: what, Target: path.Clean(clean(c.target))}, dir: -1}}
}

// withheldNode is the same for a device, in a folder that is opened.
func (c *call) withheldNode(dir int, base string) outcome {
	o := c.withheld("mknod c " + c.node.number())
	if own, err := unix.FcntlInt(uintptr(dir), unix.F_DUPFD_CLOEXEC, 0); err == nil {
		o.refusal.dir, o.refusal.base, o.refusal.dev = own, base, c.node.dev
	}
	return o
}

// overcome tells whether the caller has its device after all, as by a bind mount.
func (r *refusal) overcome() bool {
	var st unix.Stat_t
	return r.dir >= 0 && unix.Fstatat(r.dir, r.base, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT) == nil &&
		st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == r.dev
}

func (r *refusal) forget() {
	if r.dir >= 0 {
		unix.Close(r.dir)
	}
	r.dir = -1
}

// refuse notes a refusal, each only once.
func (s *Supervisor) refuse(r *refusal) {
	known := slices.ContainsFunc(s.refused, func(other *refusal) bool { return other.Refusal == r.Refusal })
	if known || len(s.refused) >= maxWithheld {
		r.forget()
		return
	}
	s.refused = append(s.refused, r)
}

// Reconsider drops the refusals that their callers have overcome: what they came
// to nevertheless does not explain a failure. It looks while the place is there to
// be seen, which a container's mounts are not for long.
func (s *Supervisor) Reconsider() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reconsider()
}

func (s *Supervisor) reconsider() {
	s.refused = slices.DeleteFunc(s.refused, func(r *refusal) bool {
		over := r.overcome()
		if over {
			r.forget()
		}
		return over
	})
}
