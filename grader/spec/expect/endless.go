package expect

import (
	"fmt"

	"github.com/expr-lang/expr/ast"
)

// The engine bounds what an expression takes of memory, and not of time: nothing stops
// one that goes through a list for each item of a list for each item of a list.

// Bounds of the time that one expression takes.
const (
	maxNesting = 2    // of predicates: all(A, any(B, ...))
	maxRange   = 1000 // numbers of A..B
)

// endless finds what could keep a judgement waiting.
func endless(text string, node ast.Node) (found *Error) {
	ast.Walk(&node, visitor[ast.Node](func(n ast.Node) {
		switch n := n.(type) {
		case *ast.PredicateNode:
			if deeper(n.Node, maxNesting) {
				found = errorAt(text, n, fmt.Sprintf("more than %d predicates in one another, which could take for ever", maxNesting))
			}
		case *ast.BinaryNode:
			if n.Operator == ".." && !short(n) {
				found = errorAt(text, n, fmt.Sprintf("a range that is not from one number to another, %d of them at most: compare with < and >", maxRange))
			}
		}
	}))
	return found
}

// deeper tells whether predicates stand in one another below a node, as many as levels.
func deeper(node ast.Node, levels int) (found bool) {
	ast.Walk(&node, visitor[*ast.PredicateNode](func(n *ast.PredicateNode) {
		found = found || levels == 1 || deeper(n.Node, levels-1)
	}))
	return found
}

func short(n *ast.BinaryNode) bool {
	from, isFrom := n.Left.(*ast.IntegerNode)
	to, isTo := n.Right.(*ast.IntegerNode)
	return isFrom && isTo && to.Value-from.Value < maxRange
}
