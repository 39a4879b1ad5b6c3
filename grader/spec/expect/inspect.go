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

// members visits every access to a member.
func (e *Expr) members(visit func(*ast.MemberNode)) {
	node := e.program.Node()
	ast.Walk(&node, memberVisitor(visit))
}

type memberVisitor func(*ast.MemberNode)

// Visit calls the function on members.
func (v memberVisitor) Visit(node *ast.Node) {
	if n, ok := (*node).(*ast.MemberNode); ok {
		v(n)
	}
}
