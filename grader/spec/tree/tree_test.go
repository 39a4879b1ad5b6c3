package tree

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	for _, c := range []struct{ word, want string }{
		{"pasing_score", "passing_score"}, {"Rows", "rows"}, {"scenarioes", "scenarios"}, {"zzzz", ""}, {"", ""},
	} {
		if got := Nearest(c.word, []string{"rows", "passing_score", "scenarios", "bonus"}); got != c.want {
			t.Errorf("%s: got %q; want %q", c.word, got, c.want)
		}
	}
}

func TestSuggestNamesEachWordOnce(t *testing.T) {
	if got, want := Suggest("zzzz", []string{"b", "a", "b", "a"}), "use one of: a, b"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

func TestProblems(t *testing.T) {
	ps := Problems{{"b", 1, 1, "x", ""}, {"a", 2, 1, "y", "do"}, {"a", 1, 9, "z", ""}, {"a", 1, 9, "z", ""}, {"a", 0, 0, "all", ""}}
	if got, want := ps.Err().Error(), "a: all\na:1:9: z\na:2:1: y; do\nb:1:1: x"; got != want {
		t.Errorf("got %s; want %s", got, want)
	}
	if (Problems{}).Err() != nil {
		t.Error("no problems are an error")
	}
}

// TestSyntaxTellsTheLine: yaml.v3 counts the lines of its parser's errors from 0, those
// of its scanner's from 1, and of some tells none.
func TestSyntaxTellsTheLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a: 1\nb: [1, 2\nc: 3\n", "t:2:1: did not find expected ',' or ']'"},
		{"x: 1\na: {b: c\nd: e\n", "t:2:1: did not find expected ',' or '}'"},
		{"{a: b\n", "t:1:1: did not find expected ',' or '}'"},
		{"x: 1\n- b\n", "t:2:1: did not find expected key"},
		{"x: 1\nlist:\n  - a\n  k: b\n", "t:3:1: did not find expected '-' indicator"},
		{"x: 1\na: !z!b c\n", "t:2:1: found undefined tag handle"},
		{"x: 1\nk\nz: 2\n", "t:2:1: could not find expected ':'"},
		{"x: 1\na: 'b\n", "t:2:1: found unexpected end of stream"},
		{"a: b: c\n", "t:1:1: mapping values are not allowed in this context"},
		{"a: &\n", "t:1:1: did not find expected alphabetic or numeric character"},
		{"title: *a\n", "t:1:8: an alias (*a); write the value out: aliases are not taken"},
		{"# *a\nx: '*a'\nabc: [*ab, 1]\ny: *a\n", "t:3:7: an alias (*ab)"},
		{"# *a\nx: '*a'\ny: {z: *a}\nw: *a\n", "t:3:8: an alias (*a)"},
	} {
		_, problems := Parse("t", []byte(c.text))
		if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), c.want) {
			t.Errorf("%q: got %v; want %s", c.text, problems, c.want)
		}
	}
}

type sample struct {
	Any   any            `yaml:"any"`
	Float float64        `yaml:"float"`
	Ptr   *int           `yaml:"ptr"`
	Mode  uint32         `yaml:"mode"`
	Map   map[string]int `yaml:"map"`
	List  []string       `yaml:"list"`
}

func TestDecode(t *testing.T) {
	root, problems := Parse("t", []byte("any: {a: [1, x, ~, 2.5]}\nfloat: 2\nptr: 3\nmode: 0644\nmap: {a: 1}\nlist:\n  - a\n"))
	if problems != nil {
		t.Fatal(problems)
	}
	var s sample
	d := NewDecoder("t")
	d.Decode(root, &s)
	if err := d.Problems.Err(); err != nil || s.Float != 2 || *s.Ptr != 3 || s.Mode != 0o644 || s.Map["a"] != 1 || s.List[0] != "a" {
		t.Errorf("got %+v, %v", s, err)
	}
	if at := d.At(&s.List[0]); at != (Pos{7, 5}) {
		t.Errorf("got place %v; want 7:5", at)
	}
	if at := d.At(new(int)); at != (Pos{}) {
		t.Errorf("got place %v of nothing", at)
	}
}

func TestDecodeReportsEverything(t *testing.T) {
	root, problems := Parse("t", []byte("float: x\nptr: {}\nmode: -1\nmap: {a: b}\nlist: [1]\nnone: 3\n"))
	if problems != nil {
		t.Fatal(problems)
	}
	d := NewDecoder("t")
	d.Decode(root, &sample{})
	if len(d.Problems) != 6 {
		t.Errorf("got %d problems; want 6:\n%v", len(d.Problems), d.Problems)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a: [1, {b: c}]\n")
	f.Add("a: &x b\nc: *x\n")
	f.Add("- - - ? : x")
	f.Add("\t|\n --- ...")
	f.Fuzz(func(t *testing.T, text string) {
		root, problems := Parse("t", []byte(text))
		if (root == nil) != (len(problems) > 0) {
			t.Fatalf("got root %v and problems %v", root, problems)
		}
		for _, p := range problems {
			if p.What == "" || strings.Contains(p.What, "goroutine") {
				t.Fatalf("got %v", p)
			}
		}
		if root != nil {
			NewDecoder("t").Decode(root, &sample{})
		}
	})
}
