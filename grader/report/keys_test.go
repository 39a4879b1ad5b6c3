package report_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"moulinette/grader/report"
)

// TestJSONKeys holds the published keys of the JSON format: a change of this
// file is a change of the format.
func TestJSONKeys(t *testing.T) {
	keys := keysOf(reflect.TypeFor[report.Document](), "")
	slices.Sort(keys)
	golden(t, "json_keys.text", []byte(fmt.Sprintf("version %d\n", report.Version)+strings.Join(keys, "\n")+"\n"))
}

// keysOf lists each key of a JSON type with the kind of its value.
func keysOf(t reflect.Type, path string) []string {
	switch t.Kind() {
	case reflect.Pointer:
		return keysOf(t.Elem(), path+"?")
	case reflect.Slice:
		return keysOf(t.Elem(), path+"[]")
	case reflect.Map:
		return keysOf(t.Elem(), path+"{}")
	case reflect.Struct:
		var keys []string
		for f := range t.Fields() {
			name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
			if rest == "omitempty" {
				name += "?"
			}
			keys = append(keys, keysOf(f.Type, strings.TrimPrefix(path+"."+name, "."))...)
		}
		return keys
	default:
		return []string{path + ": " + t.Kind().String()}
	}
}
