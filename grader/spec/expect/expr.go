package expect

import (
	"errors"
	"fmt"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
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

// Compile checks text. Its result must be a bool.
func (s *Scope) Compile(text string) (*Expr, error) {
	if len(text) > maxLength {
		return nil, &Error{1, 1, fmt.Sprintf("longer than %d characters", maxLength)}
	}
	program, err := s.compile(text)
	if err != nil {
		return nil, explain(err)
	}
	return &Expr{Text: text, scope: s, program: program}, nil
}

func (s *Scope) compile(text string, more ...expr.Option) (program *vm.Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return expr.Compile(text, append(s.options[:len(s.options):len(s.options)], more...)...)
}

func explain(err error) error {
	var at *file.Error
	if errors.As(err, &at) {
		return &Error{at.Line, at.Column + 1, at.Message}
	}
	return &Error{1, 1, err.Error()}
}

// Eval evaluates the expression. One that cannot be evaluated is false, and the
// error tells why.
func (e *Expr) Eval(env map[string]any) (bool, error) {
	value, err := run(e.program, env)
	if err != nil {
		return false, err
	}
	ok, _ := value.(bool)
	return ok, nil
}

func run(program *vm.Program, env map[string]any) (value any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	machine := vm.VM{MemoryBudget: memory}
	value, err = machine.Run(program, env)
	var at *file.Error
	if errors.As(err, &at) {
		err = errors.New(at.Message)
	}
	return value, err
}
