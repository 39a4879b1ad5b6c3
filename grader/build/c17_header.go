package build

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"regexp"

	"moulinette/grader/submission"
	"moulinette/grader/submission/c17"
)

// undeclaredH is written for each submission.
const undeclaredH = "driver/undeclared.h"

// prototype is how our header declares a function.
var prototype = regexp.MustCompile(`(?m)^(?:int|bool) (\w+)\(.*\);$`)

// undeclared has the prototypes of our header whose names the submission's do not
// hold, and the names of propagations.
func undeclared(ours []byte, files submission.Files) []byte {
	if _, ok := files[submission.CHeader]; !ok {
		return nil
	}
	known := map[string]bool{}
	for name, text := range files {
		if path.Ext(name) != ".h" {
			continue
		}
		for _, t := range c17.Tokens(text) {
			known[t.Text] = known[t.Text] || t.Kind == c17.Word
		}
	}
	return declarations(ours, func(name string) bool { return !known[name] })
}

// declarations are those of our header that are wanted.
func declarations(ours []byte, wanted func(name string) bool) []byte {
	var out bytes.Buffer
	for _, m := range prototype.FindAllSubmatch(ours, -1) {
		if wanted(string(m[1])) {
			fmt.Fprintf(&out, "%s\n", m[0])
		}
	}
	for i, name := range []string{"PRIVATE", "SHARED", "SLAVE", "UNBINDABLE"} {
		if wanted(name) {
			fmt.Fprintf(&out, "enum { %s = %d };\n", name, i)
		}
	}
	return out.Bytes()
}

// unknown is how a compiler tells of a name that the bridge uses and no header declares.
var unknown = regexp.MustCompile(`(?m)^driver/bridge\.c:\d+:\d+: error: (?:'(\w+)' undeclared|use of undeclared identifier '(\w+)'|.*(?:implicit declaration of|undeclared) function '(\w+)')`)

// declared is undeclared.h with what a compiler has missed: a header may hold a name
// where it is not read (#ifdef), or as another's. It is nil if nothing is missed that
// could be added.
func (b *Builder) declared(st staged, output []byte) []byte {
	missed := map[string]bool{}
	for _, m := range unknown.FindAllSubmatch(output, -1) {
		missed[string(bytes.Join(m[1:], nil))] = true
	}
	ours, err := fs.ReadFile(b.Sources, path.Join("driver/c17", submission.CHeader))
	if err != nil {
		return nil // it could be read before
	}
	more := declarations(ours, func(name string) bool { return missed[name] })
	if len(more) == 0 {
		return nil
	}
	return bytes.Join([][]byte{st[undeclaredH], more}, nil)
}
