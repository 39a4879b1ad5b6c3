package expect

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/moby/sys/capability"

	"moulinette/grader/scenario"
	"moulinette/grader/spec/tree"
)

// Some fields hold one of a few words. To compare one with anything else is a slip
// that no verdict would show: errno != "EPREM" is true of everybody.

// words are those that a tag of package evidence stands for.
func words(tag string) []string {
	switch tag {
	case "errno":
		return scenario.Errnos()
	case "capability":
		return Capabilities()
	default:
		return strings.Fields(tag)
	}
}

// Capabilities are the names of all, without CAP_.
func Capabilities() (names []string) {
	for _, c := range capability.ListKnown() {
		names = append(names, strings.ToUpper(c.String()))
	}
	return names
}

// misspelt finds a comparison of a field with a word that it never holds.
func misspelt(text string, node ast.Node) (found *Error) {
	items := items(node)
	ast.Walk(&node, visitor[*ast.BinaryNode](func(n *ast.BinaryNode) {
		if n.Operator != "==" && n.Operator != "!=" && n.Operator != "in" {
			return
		}
		for _, pair := range [][2]ast.Node{{n.Left, n.Right}, {n.Right, n.Left}} {
			field := one(pair[0], items)
			for _, word := range constants(pair[1]) {
				if all := words(field.tag); field.tag != "" && word != "" && !slices.Contains(all, word) {
					found = errorAt(text, pair[1], fmt.Sprintf("%s is never %q, %s", field.name, word, tree.Suggest(strings.TrimPrefix(word, "CAP_"), all)))
				}
			}
		}
	}))
	return found
}

// tagged is what holds one of a few words, or a list of them.
type tagged struct{ name, tag string }

// items tells of each # in a predicate of which list it is an item. The walk comes to what
// is inside first, so that a # belongs to the nearest list.
func items(node ast.Node) map[ast.Node]tagged {
	of := map[ast.Node]tagged{}
	ast.Walk(&node, visitor[*ast.BuiltinNode](func(n *ast.BuiltinNode) {
		for _, a := range n.Arguments {
			predicate, is := a.(*ast.PredicateNode)
			if !is {
				continue
			}
			ast.Walk(&predicate.Node, visitor[*ast.PointerNode](func(item *ast.PointerNode) {
				if _, nearer := of[item]; !nearer {
					of[item] = one(n.Arguments[0], of)
				}
			}))
		}
	}))
	return of
}

// references finds a text with ${name}, as steps refer to a given value. Here it would
// stay as it is written, and be nothing that anybody is called.
func references(text string, node ast.Node) (found *Error) {
	ast.Walk(&node, visitor[*ast.StringNode](func(n *ast.StringNode) {
		_, name, is := strings.Cut(n.Value, "${")
		if name, _, _ = strings.Cut(name, "}"); is {
			found = errorAt(text, n, fmt.Sprintf("${%s} means nothing in an expression: write given.%s, or \"text\" + given.%s", name, name, name))
		}
	}))
	return found
}

// one is what a node stands for, if that, or each item of it, is one of a few words.
func one(node ast.Node, items map[ast.Node]tagged) tagged {
	switch n := node.(type) {
	case *ast.PointerNode:
		return items[n]
	case *ast.CallNode:
		if n.Callee.String() == "new_ns" {
			return tagged{"new_ns", "cgroup ipc mnt net pid user uts"}
		}
	case *ast.BuiltinNode:
		if n.Name == "filter" {
			return one(n.Arguments[0], items)
		}
	case *ast.MemberNode:
		return fieldOf(n)
	}
	return tagged{}
}

func fieldOf(member *ast.MemberNode) tagged {
	key, isText := member.Property.(*ast.StringNode)
	of := member.Node.Type()
	for of != nil && of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if !isText || of == nil || of.Kind() != reflect.Struct {
		return tagged{}
	}
	for f := range of.Fields() {
		if f.Tag.Get("expr") == key.Value {
			return tagged{key.Value, f.Tag.Get("one")}
		}
	}
	return tagged{}
}

// constants are the texts that a node is, or a list of.
func constants(node ast.Node) []string {
	switch n := node.(type) {
	case *ast.StringNode:
		return []string{n.Value}
	case *ast.ArrayNode:
		var all []string
		for _, item := range n.Nodes {
			all = append(all, constants(item)...)
		}
		return all
	case *ast.ConstantNode:
		switch value := n.Value.(type) {
		case string:
			return []string{value}
		case []string:
			return value
		case map[string]struct{}:
			return slices.Sorted(maps.Keys(value))
		}
	}
	return nil
}
