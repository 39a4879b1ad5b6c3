package spec

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"moulinette/grader/scenario"
	"moulinette/grader/spec/tree"
)

// Schema is the JSON Schema (draft 2020-12) of specs and of files of shared
// scenarios, for editors. Load checks more than it can say.
func Schema() []byte {
	s := &tree.Schemer{}
	exercise, library := s.Of(reflect.TypeFor[Exercise]()), s.Of(reflect.TypeFor[libraryFile]())
	exercise["required"], library["required"] = []string{"name"}, []string{"scenarios"}
	exercise["anyOf"] = []any{ // a draft grades nobody
		tree.Object{"required": []string{"passing_score"}},
		tree.Object{"required": []string{"draft"}, "properties": tree.Object{"draft": tree.Object{"const": true}}},
	}
	root := tree.Object{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "An exercise of the moulinette, or scenarios shared by exercises",
		"anyOf":   []any{exercise, library},
		"$defs": tree.Object{
			"text":     text(s),
			"scenario": s.Struct(reflect.TypeFor[body](), nil),
			"step":     step(),
		},
	}
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // the schema is made of plain maps
	}
	return append(out, '\n')
}

func text(s *tree.Schemer) tree.Object {
	o := s.Struct(reflect.TypeFor[plainText](), nil)
	o["required"] = []string{"fr", "en"}
	return o
}

// plainText is Text without its reference to the shared definition.
type plainText Text

// Schema refers to the shared definition.
func (*Text) Schema(*tree.Schemer) tree.Object { return tree.Object{"$ref": "#/$defs/text"} }

// Schema refers to the shared definition.
func (*Scenario) Schema(*tree.Schemer) tree.Object { return tree.Object{"$ref": "#/$defs/scenario"} }

// Schema refers to the shared definition.
func (*stepDescription) Schema(*tree.Schemer) tree.Object { return tree.Object{"$ref": "#/$defs/step"} }

// Schema is that of the finished value, or of references in its place.
func (*template[T]) Schema(*tree.Schemer) tree.Object {
	return (&tree.Schemer{Templated: true}).Of(reflect.TypeFor[T]())
}

// Schema of given values: fixed ones, or drawn.
func (*givenNode) Schema(*tree.Schemer) tree.Object {
	random := tree.Object{
		"type": "object", "properties": tree.Object{"random": tree.Enum(slices.Collect(maps.Keys(randomKinds())))},
		"required": []string{"random"}, "additionalProperties": false,
	}
	return tree.Object{"type": "object", "additionalProperties": tree.Object{
		"anyOf": []any{tree.Object{"type": []string{"string", "integer", "boolean"}}, random},
	}}
}

// step has one property for each call, with the arguments that it takes.
func step() tree.Object {
	s := &tree.Schemer{Templated: true}
	o := s.Struct(reflect.TypeFor[plainStep](), nil)
	properties := o["properties"].(tree.Object)
	for _, name := range slices.Sorted(maps.Keys(scenario.Calls())) {
		takes := scenario.Calls()[name].Args
		arguments := tree.Object{"type": []string{"object", "null"}, "additionalProperties": false}
		if len(takes) > 0 {
			arguments = s.Struct(reflect.TypeFor[scenario.Args](), takes)
			arguments["type"] = []string{"object", "null"}
		}
		properties[name] = tree.Describe(arguments, fmt.Sprintf("call %s of the contract", name))
	}
	properties["kill"] = tree.Describe(tree.Enum([]string{"driver"}), "kill the driver, as a parent that dies")
	return o
}

// plainStep is stepDescription without its reference to the shared definition.
type plainStep stepDescription
