package expect

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
)

// Bounds of what Got shows.
const (
	maxParts = 8
	maxValue = 100
	maxItems = 12
)

// Got shows the values that made the expression false: those of its parts, of
// the failing one where it is a chain of && .
func (e *Expr) Got(env any) string {
	var shown []string
	for _, node := range parts(e.failing(e.program.Node(), env)) {
		text := node.String()
		value, err := e.scope.value(text, env)
		if err != nil {
			continue
		}
		for _, part := range append([]string{text + " = " + showValue(value)}, e.reason(node, env)...) {
			if len(shown) < maxParts && !slices.Contains(shown, part) {
				shown = append(shown, part)
			}
		}
	}
	if len(shown) == 0 {
		if _, err := e.Eval(env); err != nil {
			return cut(err.Error())
		}
	}
	return strings.Join(shown, ", ")
}

// reason is why something failed, where node asks whether it did, or with which errno:
// "ok = false" alone would keep it from the one who has to find it.
func (e *Expr) reason(node ast.Node, env any) []string {
	member, ok := node.(*ast.MemberNode)
	if !ok || !slices.Contains([]string{`"ok"`, `"failed"`, `"errno"`}, member.Property.String()) {
		return nil
	}
	for _, field := range []string{".error", ".errno"} {
		text := member.Node.String() + field
		if value, err := e.scope.value(text, env); err == nil && value != "" {
			return []string{text + " = " + showValue(value)}
		}
	}
	return nil
}

// failing is the first operand of a conjunction that is not true.
func (e *Expr) failing(node ast.Node, env any) ast.Node {
	both, ok := node.(*ast.BinaryNode)
	if !ok || both.Operator != "&&" && both.Operator != "and" {
		return node
	}
	if value, err := e.scope.value(both.Left.String(), env); err == nil && value == true {
		return e.failing(both.Right, env)
	}
	return e.failing(both.Left, env)
}

// value evaluates a part of an expression.
func (s *Scope) value(text string, env any) (any, error) {
	program, err := s.compile(text, expr.AsAny(), expr.AsKind(reflect.Invalid))
	if err != nil {
		return nil, err
	}
	return run(program, env)
}

// parts are the members, names and calls whose values explain node. Predicates
// are left out: their values are those of each item.
func parts(node ast.Node) []ast.Node {
	switch n := node.(type) {
	case *ast.MemberNode:
		if array, ok := n.Node.(*ast.MemberNode); ok && index(n) {
			return []ast.Node{array}
		}
		return []ast.Node{n}
	case *ast.IdentifierNode:
		return []ast.Node{n}
	case *ast.ChainNode:
		return parts(n.Node)
	case *ast.UnaryNode:
		return parts(n.Node)
	case *ast.BinaryNode:
		return append(parts(n.Left), parts(n.Right)...)
	case *ast.ConditionalNode:
		return slices.Concat(parts(n.Cond), parts(n.Exp1), parts(n.Exp2))
	case *ast.CallNode:
		return []ast.Node{n}
	case *ast.BuiltinNode:
		return builtinParts(n)
	case *ast.ArrayNode:
		return all(n.Nodes)
	case *ast.SliceNode:
		return parts(n.Node)
	}
	return nil
}

// index tells whether n is an item of a list, as nspid[-1]: the whole list says
// more.
func index(n *ast.MemberNode) bool {
	switch property := n.Property.(type) {
	case *ast.IntegerNode:
		return true
	case *ast.UnaryNode:
		_, ok := property.Node.(*ast.IntegerNode)
		return ok
	}
	return false
}

func builtinParts(n *ast.BuiltinNode) []ast.Node {
	var predicate bool
	for _, a := range n.Arguments {
		_, is := a.(*ast.PredicateNode)
		predicate = predicate || is
	}
	if predicate || n.Name == "len" {
		return parts(n.Arguments[0])
	}
	return []ast.Node{n}
}

func all(nodes []ast.Node) (found []ast.Node) {
	for _, n := range nodes {
		found = append(found, parts(n)...)
	}
	return found
}

// showValue prints a value of evidence for a reader, cut to a bounded length.
func showValue(value any) string {
	var b strings.Builder
	show(&b, reflect.ValueOf(value), 0)
	return cut(b.String())
}

func show(b *strings.Builder, v reflect.Value, depth int) {
	if b.Len() > 2*maxValue || depth > 4 {
		b.WriteString("...")
		return
	}
	switch v.Kind() {
	case reflect.Invalid:
		b.WriteString("nothing")
	case reflect.Interface, reflect.Pointer:
		show(b, v.Elem(), depth)
	case reflect.String:
		b.WriteString(strconv.Quote(cut(v.String())))
	case reflect.Slice:
		showList(b, v, depth)
	case reflect.Map:
		fmt.Fprintf(b, "%d entries", v.Len())
	case reflect.Struct:
		showStruct(b, v, depth)
	default:
		fmt.Fprint(b, v.Interface())
	}
}

func showList(b *strings.Builder, v reflect.Value, depth int) {
	b.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			b.WriteByte(' ')
		}
		if i == maxItems {
			fmt.Fprintf(b, "... %d more", v.Len()-i)
			break
		}
		show(b, v.Index(i), depth+1)
	}
	b.WriteByte(']')
}

// showStruct leaves zero fields out.
func showStruct(b *strings.Builder, v reflect.Value, depth int) {
	b.WriteByte('{')
	first := true
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			continue
		}
		if !first {
			b.WriteByte(' ')
		}
		first = false
		b.WriteString(v.Type().Field(i).Tag.Get("expr") + ":")
		show(b, v.Field(i), depth+1)
	}
	b.WriteByte('}')
}

// cut bounds text, at a rune.
func cut(text string) string {
	if len(text) <= maxValue {
		return text
	}
	return strings.ToValidUTF8(text[:maxValue], "") + "..."
}
