package expect

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"moulinette/grader/spec/tree"
)

// Expr is a checked expression.
type Expr struct {
	Text    string
	scope   *Scope
	program *vm.Program
}

// Error is why an expression is refused. Column counts from 1, Line too.
type Error struct {
	Line, Column int
	Message      string
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message) }

// errorAt is an error where a node stands.
func errorAt(text string, node ast.Node, message string) *Error {
	before := string([]rune(text)[:node.Location().From])
	return &Error{1 + strings.Count(before, "\n"), len(before) - strings.LastIndex(before, "\n"), message}
}

// Compile checks text. Its result must be a bool, and depend on a record.
func (s *Scope) Compile(text string) (*Expr, error) {
	if len(text) > maxLength {
		return nil, &Error{1, 1, fmt.Sprintf("longer than %d characters", maxLength)}
	}
	program, err := s.compile(text)
	if err != nil {
		return nil, s.explain(text, err)
	}
	if !s.judges(program.Node()) {
		return nil, &Error{1, 1, "it looks at nothing that is seen of a submission, so it is the same for all (driver and peer are those of before)"}
	}
	for _, find := range []func(string, ast.Node) *Error{endless, misspelt, s.ungathered, references} {
		if slip := find(text, program.Node()); slip != nil {
			return nil, slip
		}
	}
	return &Expr{Text: text, scope: s, program: program}, nil
}

func (s *Scope) compile(text string, more ...expr.Option) (program *vm.Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return expr.Compile(text, append(slices.Clip(s.options), more...)...)
}

// explain keeps the place and the first line of what the engine says, in words
// that do not show how names are kept, and adds the name that was probably
// meant.
func (s *Scope) explain(text string, err error) error {
	e := &Error{Line: 1, Column: 1, Message: err.Error()}
	if at, ok := errors.AsType[*file.Error](err); ok {
		e = &Error{at.Line, at.Column + 1, at.Message}
	}
	e.Message, _, _ = strings.Cut(e.Message, "\n")
	e.Message = madeType.ReplaceAllString(e.Message, "this")
	if m := unknown.FindStringSubmatch(e.Message); m != nil {
		if fields, known := s.fieldsAt(text, e); known && len(fields) == 0 {
			e.Message += ", nor any other"
		} else if known {
			e.Message += ", " + tree.Suggest(m[1], fields)
		} else if near := tree.Nearest(m[1], s.vocabulary(strings.HasPrefix(m[0], "has"))); near != "" {
			e.Message += ", did you mean " + near + "?"
		}
	}
	return e
}

var (
	madeType = regexp.MustCompile(`(type )?\*?struct \{.*\}`)
	unknown  = regexp.MustCompile(`(?:has no field|unknown name) (\w+)`)
)

// fieldsAt are those that the value before a dot has, where the error is about what
// follows it, if that is known.
func (s *Scope) fieldsAt(text string, e *Error) (fields []string, known bool) {
	if e.Line != 1 || e.Column > len(text) {
		return nil, false
	}
	base := strings.TrimSuffix(path.FindString(text[:e.Column-1]), ".")
	program, err := s.compile(base, expr.AsAny(), expr.AsKind(reflect.Invalid))
	if base == "" || err != nil {
		return nil, false
	}
	t := program.Node().Type()
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil, false
	}
	for f := range t.Fields() {
		if name := f.Tag.Get("expr"); name != "" {
			fields = append(fields, name)
		}
	}
	return fields, true
}

// path is a chain of names that ends where a field is to follow.
var path = regexp.MustCompile(`[a-z_][\w.]*\.$`)

// vocabulary is every name that can stand in an expression of this scope, also after
// a dot if fields are asked for.
func (s *Scope) vocabulary(fields bool) []string {
	words := append(builtins(), "true", "false")
	for _, h := range helpers() {
		words = append(words, h.Name)
	}
	seen := map[reflect.Type]bool{}
	var visit func(t reflect.Type)
	visit = func(t reflect.Type) {
		switch {
		case t.Kind() == reflect.Slice, t.Kind() == reflect.Map, t.Kind() == reflect.Pointer:
			visit(t.Elem())
		case t.Kind() == reflect.Struct && !seen[t]:
			seen[t] = true
			for f := range t.Fields() {
				words = append(words, f.Tag.Get("expr"))
				if fields {
					visit(f.Type)
				}
			}
		}
	}
	visit(s.env)
	return words
}

// Eval evaluates the expression. One that cannot be evaluated is false, and the
// error tells why.
func (e *Expr) Eval(env any) (bool, error) {
	value, err := run(e.program, env)
	if err != nil {
		return false, err
	}
	ok, _ := value.(bool)
	return ok, nil
}

func run(program *vm.Program, env any) (value any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	machine := vm.VM{MemoryBudget: memory}
	value, err = machine.Run(program, env)
	if at, ok := errors.AsType[*file.Error](err); ok {
		err = errors.New(at.Message)
	}
	return value, err
}
