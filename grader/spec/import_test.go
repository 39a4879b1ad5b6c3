package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"gopkg.in/yaml.v3"
)

// original has the shape of a spec.json, and fields that the grader has none
// for.
const original = `{
  "name": "truman_container",
  "language": "c",
  "type": "code",
  "tier": 3,
  "tags": ["namespaces", "yes", "12", "~"],
  "passing_score": 70,
  "title": "a plain title",
  "function": {
    "name": "container_create",
    "prototype": "int container_create(ContainerConfig* config)",
    "return_type": "int",
    "parameters": [{"name": "config", "type": "ContainerConfig*", "nullable": true}]
  },
  "driver": {
    "reference": "int main(void)\n{\n\tputs(\"\u00e9\\n\");  \n}\n",
    "edge_cases": [
      {"name": "null_config", "args": [null], "expected": -1, "is_trap": true, "trap_explanation": "a: b # c"},
      {"name": "minimal", "args": [{"hostname": "test", "cmd": ["/bin/true"], "clone_flags": 0, "load": 1.5}], "expected": 0, "weight": 2}
    ],
    "fuzzing": {"enabled": false, "generators": []}
  },
  "norm": {"check_memory": true, "blocking": true, "style": {"tabs": false}},
  "requires_root": true,
  "hints": ["look", {"deep": null}],
  "tier_info": null
}`

func TestImportLosesNothing(t *testing.T) {
	out, err := Import("spec.json", []byte(original))
	if err != nil {
		t.Fatal(err)
	}
	ex, err := Load(fstest.MapFS{"t.yaml": {Data: out}}, "t.yaml")
	if err != nil {
		t.Fatalf("the import does not load:\n%v\n%s", err, out)
	}
	if !ex.Draft || ex.Driver.EdgeCases[1].Expected != 0 || !strings.Contains(ex.Driver.Reference, "\tputs") {
		t.Errorf("got %+v", ex)
	}
	var want map[string]any
	if err := json.Unmarshal([]byte(original), &want); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := yaml.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	extra, _ := got["extra"].(map[string]any)
	merged := plainJSON(merge(got, extra))
	for key := range want {
		if w := plainJSON(want[key]); !reflect.DeepEqual(merged.(map[string]any)[key], w) {
			t.Errorf("%s: got %v; want %v", key, merged.(map[string]any)[key], w)
		}
	}
}

// merge puts what stands under extra back where it was.
func merge(into, extra any) any {
	parts, ok := extra.(map[string]any)
	if !ok {
		return extra
	}
	switch into := into.(type) {
	case map[string]any:
		for key, value := range parts {
			if old, known := into[key]; known {
				value = merge(old, value)
			}
			into[key] = value
		}
		return into
	case []any:
		for i := range into {
			if value, ok := parts[fmt.Sprint(i)]; ok {
				into[i] = merge(into[i], value)
			}
		}
		return into
	}
	return extra
}

func plainJSON(value any) (plain any) {
	data, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(data, &plain)
	}
	if err != nil {
		panic(err)
	}
	return plain
}

func TestImportRefuses(t *testing.T) {
	for _, c := range []struct{ json, want string }{
		{"{\n  \"name\": \"x\",\n}", `spec.json:3:1: `},
		{"{\n  \"name\": x}", `spec.json:2:11: invalid character 'x'`},
		{`{"name": "x"`, `unexpected end of JSON input`},
		{``, `spec.json:1:1: unexpected end`},
		{`[]`, `spec.json:1:1: a spec.json is an object`},
		{`{} {}`, `spec.json:1:4: invalid character`},
		{`{"name": "x", "tier": "three"}`, `spec.json:1:23: tier must be a whole number, found "three"`},
		{`{"name": "x", "tier": 1.5}`, `tier must be a whole number`},
		{"{\"name\": \"x\",\n\"name\": \"y\"}", `spec.json:2:1: key "name" stands twice`},
		{`{"driver": {"edge_cases": {}}}`, `edge_cases must be a list`},
		{"{\"name\": \"\xff\"}", `this is not UTF-8`},
		{strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), `nested too deeply`},
		{strings.Repeat(" ", 1<<21), `more than 1048576`},
	} {
		_, err := Import("spec.json", []byte(c.json))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40s: got %v; want %s", c.json, err, c.want)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add(original)
	f.Add(`{"name":"a","extra":{"x":"\ud83d\ude00"},"tags":["\u0000","\n ","- "]}`)
	f.Fuzz(func(t *testing.T, text string) {
		out, err := Import("spec.json", []byte(text))
		if err != nil {
			return
		}
		_, err = Load(fstest.MapFS{"t.yaml": {Data: out}}, "t.yaml")
		for _, p := range asProblems(err) {
			for _, bad := range []string{"must be", "unknown key", "stands twice"} {
				if strings.Contains(p.What, bad) {
					t.Fatalf("the import does not load: %v\n%s", p, out)
				}
			}
		}
	})
}

func asProblems(err error) Problems {
	problems, _ := errors.AsType[Problems](err)
	return problems
}

// TestImportOfOddKeys: a key that YAML takes for something else stays a key.
func TestImportOfOddKeys(t *testing.T) {
	out, err := Import("spec.json", []byte(`{"name": "x", "<<": {"<<": 1, "~": 2}, "null": 3, "? a": 4}`))
	if err != nil {
		t.Fatal(err)
	}
	ex, err := Load(fstest.MapFS{"t.yaml": {Data: out}}, "t.yaml")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := map[string]any{"<<": map[string]any{"<<": 1, "~": 2}, "null": 3, "? a": 4}
	if !reflect.DeepEqual(ex.Extra, want) {
		t.Errorf("got %v; want %v", ex.Extra, want)
	}
}

// TestImportOfOddTexts: a text is read again as it was, however it begins.
func TestImportOfOddTexts(t *testing.T) {
	for _, text := range []string{
		"\tint a;\n\tint b;\n", "\t\n", "  a\n b", "\n\ta\n", "\n\n", " \n", "a\r\nb", "a\n\tb \n\n", "# a\n- b: c", "---\na", "\u0085\na", "\u2028\na",
		"a\n\ufeffb", "\ufeffa\nb", "\ud7ff\n", "\u007f\nb", "a\n...\nb", "%a\nb", "a\u2028b\nc", "\u2029", "a \u0085 b", "\t", " a", "a\n\u2028",
	} {
		for _, form := range []string{`{"name": "x", "deep": {"list": [[%s]]}}`, `{"name": "x", "deep": {"list": [{"a": %s}]}}`, `{"name": "x", "deep": {%s: 1}}`} {
			data, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			data = fmt.Appendf(nil, form, data)
			var want map[string]any
			if err := json.Unmarshal(data, &want); err != nil {
				t.Fatal(err)
			}
			out, err := Import("spec.json", data)
			if err != nil {
				t.Errorf("%s: %v", data, err)
				continue
			}
			ex, err := Load(fstest.MapFS{"t.yaml": {Data: out}}, "t.yaml")
			if err != nil || !reflect.DeepEqual(plainJSON(ex.Extra["deep"]), want["deep"]) {
				t.Errorf("%s: got %v, %v\n%s", data, ex.Extra, err, out)
			}
		}
	}
}

func TestImportTellsWhere(t *testing.T) {
	for text, want := range map[string]string{
		"{\"name\":\n\"\xff\"}":                           "spec.json:2:2: this is not UTF-8",
		"{\"a\": \"" + strings.Repeat("x", 2<<20) + "\"}": "more than 1048576; leave out what is no part of the exercise",
	} {
		if _, err := Import("spec.json", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v; want %s", err, want)
		}
	}
}
