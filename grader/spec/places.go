package spec

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"moulinette/grader/scenario"
)

// The box's root is read-only: nothing can be made in it but in these places, and where
// the world has mounted something.
var writable = []string{scenario.WorkDir, "/tmp", "/run", "/dev/shm"}

// netns is what a network namespace can be called: its name becomes that of a file.
var netns = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

func (r *resolver) absolute(pointer *string) {
	if !clean(*pointer) {
		r.d.Report(r.d.Near(pointer), fmt.Sprintf("%q is no clean absolute path", *pointer), "write it from / on, without .. or a slash at the end")
	}
}

func clean(name string) bool { return path.IsAbs(name) && path.Clean(name) == name }

// mounts checks those of the world, which are made in this order.
func (r *resolver) mounts(mounts []scenario.Mount) {
	var made []string
	for i := range mounts {
		m := &mounts[i]
		r.absolute(&m.Target)
		if m.Source != "" {
			r.absolute(&m.Source)
		}
		switch {
		case !clean(m.Target):
		case slices.Contains(made, m.Target):
			r.d.Report(r.d.Near(&m.Target), fmt.Sprintf("%s is mounted on twice", m.Target), "remove one")
		case !slices.Contains(scenario.Folders(), m.Target) && !makeable(m.Target, made):
			r.d.Report(r.d.Near(&m.Target), fmt.Sprintf("there is no %s to mount on, and the root of the box is read-only", m.Target),
				"take one of "+strings.Join(scenario.Folders(), ", ")+", or a path below "+strings.Join(writable, ", ")+" or below an earlier mount")
		}
		made = append(made, m.Target)
	}
}

// makeable tells whether a path is below one of the writable places, or of those that
// were mounted.
func makeable(name string, mounted []string) bool {
	return slices.ContainsFunc(slices.Concat(writable, mounted), func(place string) bool { return strings.HasPrefix(name, place+"/") })
}

func (r *resolver) netns(pointer *string) {
	if !netns.MatchString(*pointer) {
		r.d.Report(r.d.Near(pointer), fmt.Sprintf("%q is no name of a network namespace", *pointer), "use up to 64 letters, digits, _, - and .")
	}
}

// namespaces checks those of the world: none can be made twice.
func (r *resolver) namespaces(names []string) {
	for i := range names {
		r.netns(&names[i])
		if slices.Contains(names[:i], names[i]) {
			r.d.Report(r.d.Near(&names[i]), fmt.Sprintf("the network namespace %q is there twice", names[i]), "remove one")
		}
	}
}
