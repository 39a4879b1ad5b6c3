package expect

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/expr-lang/expr/ast"

	"moulinette/grader/evidence"
)

// Some evidence is there only if the scenario gathers it. What no step gathers is zero
// whatever is handed in, so that to ask that it be nothing is true of everybody.

// ungathered finds a look at such evidence.
func (s *Scope) ungathered(text string, node ast.Node) (found *Error) {
	ast.Walk(&node, visitor[*ast.MemberNode](func(n *ast.MemberNode) {
		key, isText := n.Property.(*ast.StringNode)
		if !isText {
			return
		}
		switch list, name := s.subject(n.Node); {
		case list == "calls" && key.Value == "grown" && !slices.Contains(s.names.Repeated, name):
			found = errorAt(text, n, fmt.Sprintf("grown of %s, which is not made several times: give its step times: 2 or more", name))
		case list == "probes" && key.Value == "later" && !slices.Contains(s.names.Asked, name):
			found = errorAt(text, n, fmt.Sprintf("later of %s, which no step asks: add a step probe: {name: %s}", name, name))
		}
	}))
	return found
}

// subject is the call or the probe that a node stands for, in calls or in probes.
func (s *Scope) subject(node ast.Node) (list, name string) {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		switch {
		case n.Value == "call" && len(s.names.Calls) > 0:
			return "calls", s.names.Calls[len(s.names.Calls)-1]
		case n.Value == "probe" && len(s.names.Probes) > 0:
			return "probes", s.names.Probes[0]
		}
	case *ast.MemberNode:
		base, isName := n.Node.(*ast.IdentifierNode)
		key, isText := n.Property.(*ast.StringNode)
		if isName && isText && (base.Value == "calls" || base.Value == "probes") {
			return base.Value, key.Value
		}
	}
	return "", ""
}

// Look is the look at one file.
type Look struct {
	Path  string
	Probe string // that watches it; empty: the scenario does, in its snapshots
}

// Files gives the looks at watched files, as far as they can be known from the given
// values, which env holds.
func (e *Expr) Files(env any) []Look {
	var looks []Look
	e.members(func(n *ast.MemberNode) {
		of, isMember := n.Node.(*ast.MemberNode)
		if !isMember || of.Type() != reflect.TypeFor[map[string]evidence.File]() {
			return
		}
		_, probe := e.scope.subject(of.Node)
		if probe == "" && of.Node.Type() != reflect.TypeFor[evidence.Snapshot]() {
			return // one of several probes
		}
		if path, err := e.scope.value(n.Property.String(), env); err == nil {
			if text, ok := path.(string); ok {
				looks = append(looks, Look{text, probe})
			}
		}
	})
	return looks
}
