package expect

import (
	"reflect"

	"github.com/expr-lang/expr/ast"

	"moulinette/grader/evidence"
)

// Given tells which given values the expression speaks of.
func (e *Expr) Given() map[string]bool {
	used := map[string]bool{}
	e.members(func(n *ast.MemberNode) {
		base, isName := n.Node.(*ast.IdentifierNode)
		key, isText := n.Property.(*ast.StringNode)
		if isName && isText && base.Value == "given" {
			used[key.Value] = true
		}
	})
	return used
}

// Files gives the paths under which the expression looks up watched files, as
// far as they can be known from the given values.
func (e *Expr) Files(given map[string]any) []string {
	env := e.scope.Env(&evidence.Record{}, given)
	var paths []string
	e.members(func(n *ast.MemberNode) {
		if n.Node.Type() != reflect.TypeFor[map[string]evidence.File]() {
			return
		}
		if path, err := e.scope.value(n.Property.String(), env); err == nil {
			if text, ok := path.(string); ok {
				paths = append(paths, text)
			}
		}
	})
	return paths
}

// looks tells whether an expression speaks of something that comes from a record.
func (s *Scope) looks(node ast.Node) (found bool) {
	ast.Walk(&node, visitor[*ast.IdentifierNode](func(n *ast.IdentifierNode) {
		for f := range s.env.Fields() {
			found = found || n.Value != "given" && f.Tag.Get("expr") == n.Value
		}
	}))
	return found
}

// members visits every access to a member.
func (e *Expr) members(visit func(*ast.MemberNode)) {
	node := e.program.Node()
	ast.Walk(&node, visitor[*ast.MemberNode](visit))
}

// visitor is called on the nodes of one kind.
type visitor[N ast.Node] func(N)

// Visit implements [ast.Visitor].
func (v visitor[N]) Visit(node *ast.Node) {
	if n, ok := (*node).(N); ok {
		v(n)
	}
}
