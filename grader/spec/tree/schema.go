package tree

import (
	"reflect"
	"slices"
)

// Object is a part of a JSON Schema.
type Object = map[string]any

// Describer is a type that describes itself.
type Describer interface {
	Schema(s *Schemer) Object
}

// Schemer writes JSON Schema for Go types, from their yaml and doc tags.
type Schemer struct {
	// Templated lets a text that refers to a given value stand for any scalar.
	Templated bool
}

// Of is the schema of values that decode into t.
func (s *Schemer) Of(t reflect.Type) Object {
	if d, ok := reflect.TypeAssert[Describer](reflect.New(t)); ok {
		return d.Schema(s)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.Of(t.Elem())
	case reflect.Struct:
		return s.Struct(t, nil)
	case reflect.Slice:
		return Object{"type": "array", "items": s.Of(t.Elem())}
	case reflect.Map:
		return Object{"type": "object", "additionalProperties": s.Of(t.Elem())}
	case reflect.Interface:
		return Object{}
	default:
		return s.scalar(t)
	}
}

func (s *Schemer) scalar(t reflect.Type) Object {
	plain := Object{"type": "string"}
	switch {
	case t.Kind() == reflect.Bool:
		plain = Object{"type": "boolean"}
	case t.Kind() == reflect.Float64:
		plain = Object{"type": "number"}
	case t.Kind() != reflect.String:
		plain = Object{"type": "integer"}
	}
	if s.Templated && t.Kind() != reflect.String {
		return Object{"anyOf": []any{plain, Object{"type": "string", "pattern": `^\$\{[a-z][a-z0-9_]*\}$`}}}
	}
	return plain
}

// Struct is the schema of a struct; of only some of its keys, if any are named.
func (s *Schemer) Struct(t reflect.Type, only []string) Object {
	properties := Object{}
	for key, i := range Keys(t) {
		if len(only) > 0 && !slices.Contains(only, key) {
			continue
		}
		properties[key] = Describe(s.Of(t.Field(i).Type), t.Field(i).Tag.Get("doc"))
	}
	return Object{"type": "object", "properties": properties, "additionalProperties": false}
}

// Describe adds a description.
func Describe(o Object, doc string) Object {
	if doc != "" {
		o["description"] = doc
	}
	return o
}

// Enum is one of a few words.
func Enum(words []string) Object {
	return Object{"enum": slices.Sorted(slices.Values(words))}
}
