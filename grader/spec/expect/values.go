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
	ast.Walk(&node, visitor[*ast.BinaryNode](func(n *ast.BinaryNode) {
		if n.Operator != "==" && n.Operator != "!=" && n.Operator != "in" {
			return
		}
		for _, pair := range [][2]ast.Node{{n.Left, n.Right}, {n.Right, n.Left}} {
			field, tag := one(pair[0])
			for _, word := range constants(pair[1]) {
				if all := words(tag); tag != "" && word != "" && !slices.Contains(all, word) {
					found = errorAt(text, pair[1], fmt.Sprintf("%s is never %q, %s", field, word, tree.Suggest(strings.TrimPrefix(word, "CAP_"), all)))
				}
			}
		}
	}))
	return found
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

// one is the field that a node stands for, and the tag of the words that it, or
// each of its list, may be.
func one(node ast.Node) (name, tag string) {
	member, isMember := node.(*ast.MemberNode)
	if !isMember {
		return "", ""
	}
	key, isText := member.Property.(*ast.StringNode)
	of := member.Node.Type()
	for of != nil && of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if !isText || of == nil || of.Kind() != reflect.Struct {
		return "", ""
	}
	for f := range of.Fields() {
		if f.Tag.Get("expr") == key.Value {
			return key.Value, f.Tag.Get("one")
		}
	}
	return "", ""
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
