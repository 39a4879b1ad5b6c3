package expect

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
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

// Broken is why a part that depends on no record cannot be evaluated, as an index out of
// its own list: no submission has to do with that.
func (e *Expr) Broken(env any) (err error) {
	node := e.program.Node()
	ast.Walk(&node, visitor[ast.Node](func(n ast.Node) {
		text := e.scope.fallible(n)
		if err != nil || text == "" {
			return
		}
		if program, inner := e.scope.compile(text, expr.AsAny(), expr.AsKind(reflect.Invalid)); inner == nil { // all its names stand in it
			if _, err = run(program, env); err != nil {
				err = fmt.Errorf("%s: %w", cut(n.String()), err)
			}
		}
	}))
	return err
}

// fallible is the operation of a node, if it depends on no record and can fail on values
// of the right types. Of some it is the right side that fails, whatever the left one is.
func (s *Scope) fallible(node ast.Node) string {
	switch n := node.(type) {
	case *ast.BinaryNode:
		left := map[string]string{"%": "1", "matches": `""`, "..": n.Left.String()}[n.Operator]
		if left == "" || s.looks(n.Right) || n.Operator == ".." && s.looks(n.Left) {
			return ""
		}
		return left + " " + n.Operator + " (" + n.Right.String() + ")"
	case *ast.MemberNode:
		if _, field := n.Property.(*ast.StringNode); field {
			return ""
		}
	case *ast.BuiltinNode, *ast.SliceNode:
	default:
		return ""
	}
	if s.looks(node) {
		return ""
	}
	return node.String()
}

// looks tells whether an expression speaks of something that comes from a record.
func (s *Scope) looks(node ast.Node) bool { return s.speaks(node, "given") }

// judges tells whether it speaks of anything that a submission can have done: before the
// first step all are alike.
func (s *Scope) judges(node ast.Node) bool {
	return s.speaks(node, "given", "host", "before", "driver", "peer")
}

// speaks tells whether an expression holds a name of the environment that is none of these.
func (s *Scope) speaks(node ast.Node, but ...string) (found bool) {
	ast.Walk(&node, visitor[*ast.IdentifierNode](func(n *ast.IdentifierNode) {
		for f := range s.env.Fields() {
			found = found || !slices.Contains(but, n.Value) && f.Tag.Get("expr") == n.Value
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
